"""Save the state of a run so that it resumes bit for bit, and restore it."""

import logging
from collections.abc import Mapping
from typing import Any

import torch
from ignite.engine import Engine, Events

from scripts.checkpoints.file import link_or_copy, load_weights, network_content, save_atomically
from scripts.checkpoints.run_folder import RunFolder
from scripts.handlers.metric_logger import MetricLogger

logger = logging.getLogger(__name__)

EARLIER = {"metric_logger": "recorder"}
"""Name of a state -> its name in earlier checkpoints."""
OF_ONE_KIND = {"betas", "momentum"}
"""Settings that only one kind of optimizer has in its groups: Adam's, and that of SGD."""
HEADS = ("heads", "decoder_heads")
"""Sizes of an encoder's preset that the shapes of its weights do not show."""


class CheckpointSaver:
    """Write `last.pt` every `save_interval` iterations and when training ends, and checkpoints that stay.

    Unlike MONAI's handler, which starts a new epoch on resume, it restores the iteration, so that data, schedule and
    random numbers continue where they were; and each file is complete or absent. Weight decay and the other settings of
    the optimizer are those of the resumed run, as the learning rate is.

    A checkpoint has the network, the optimizer, the schedule, the state of the other objects, the iteration, and in
    "recipe" what rebuilds the network and its masks. All of it loads with `weights_only=True`.

    Args:
        folder: of the run; its last checkpoint is loaded on `attach`.
        network: the plain network, neither compiled nor wrapped for several processes.
        stateful: objects with `state_dict` by name: optimizer, schedule, metric logger, validation.
        metric_logger: flushed before each checkpoint, so that the log is never behind.
        recipe: plain values that rebuild the network.
        save_interval: iterations between two `last.pt`.
        keep_interval: iterations between two that stay; null for none.
        rank: only process 0 writes.

    Example::

        stateful = {"optimizer": optimizer, "metric_logger": metric_logger, "validation": validation}
        CheckpointSaver(RunFolder("runs/a"), network, stateful, metric_logger, recipe).attach(trainer)
    """

    def __init__(
        self,
        folder: RunFolder,
        network: torch.nn.Module,
        stateful: Mapping[str, Any],
        metric_logger: MetricLogger,
        recipe: Mapping[str, Any],
        save_interval: int = 1000,
        keep_interval: int | None = None,
        rank: int = 0,
    ) -> None:
        self.folder, self.network, self.stateful, self.metric_logger = folder, network, dict(stateful), metric_logger
        self.recipe = recipe
        self.save_interval, self.keep_interval, self.rank = save_interval, keep_interval, rank
        self.saved_at = folder.start

    def attach(self, engine: Engine) -> None:
        """Restore the run, and save from now on; attach it after all handlers that change the state.

        Raises:
            ValueError: the checkpoint is of another network.
        """
        if self.folder.checkpoint is not None:
            self._restore(engine, self.folder.checkpoint)
            self.folder.checkpoint = None
        engine.add_event_handler(Events.ITERATION_COMPLETED(every=self.save_interval), self.save)
        if self.keep_interval:
            engine.add_event_handler(Events.ITERATION_COMPLETED(every=self.keep_interval), self.keep)
        engine.add_event_handler(Events.TERMINATE, self.save)
        engine.add_event_handler(Events.COMPLETED, self.save)

    def save(self, engine: Engine) -> None:
        """Write `last.pt`, once an iteration."""
        iteration = int(engine.state.iteration)
        self.metric_logger.flush()
        if self.rank == 0 and iteration != self.saved_at:
            states = {name: each.state_dict() for name, each in self.stateful.items()}
            content = network_content(self.network, self.recipe, iteration)
            save_atomically(content | {"parts": states}, self.folder.last)
        self.saved_at = iteration
        self.metric_logger.restart_clock()

    def keep(self, engine: Engine) -> None:
        """Keep the checkpoint of this iteration."""
        self.save(engine)
        if self.rank == 0:
            link_or_copy(self.folder.last, self.folder.kept(int(engine.state.iteration)))

    def _restore(self, engine: Engine, checkpoint: Mapping[str, Any]) -> None:
        check_heads(checkpoint["recipe"], self.recipe, f"checkpoint {self.folder.last}")
        load_weights(self.network, checkpoint["network"], f"checkpoint {self.folder.last}")
        states = checkpoint.get("parts", {})
        for name, each in self.stateful.items():
            try:
                state = states[name if name in states else EARLIER.get(name, name)]
                if isinstance(each, torch.optim.Optimizer):
                    load_optimizer(each, state)
                else:
                    each.load_state_dict(state)
            except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
                raise ValueError(
                    f"checkpoint {self.folder.last} cannot be resumed: its state of '{name}' does not fit "
                    f"({type(error).__name__}: {' '.join(str(error).split())[:160]}); use another checkpoint"
                ) from error
        engine.state.iteration = int(checkpoint["iteration"])
        for name, old, new in changed_settings(
            checkpoint["recipe"], network_content(self.network, self.recipe, 0)["recipe"]
        ):
            logger.info(f"resuming with another {name}: {old} -> {new}")


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Restore the state of an optimizer and its rates; the other settings of its groups stay as they are.

    torch's `load_state_dict` alone puts back the weight decay and the betas of the state.

    Raises:
        ValueError: the state of another kind of optimizer, or of other groups.
    """
    own = [{k: v for k, v in group.items() if k not in ("params", "lr")} for group in optimizer.param_groups]
    for mine, saved in zip(own, state["param_groups"], strict=False):
        other = sorted((mine.keys() ^ saved.keys()) & OF_ONE_KIND)
        if other:
            raise ValueError(f"only one of it and this run's {type(optimizer).__name__} has {other[0]}")
    optimizer.load_state_dict(dict(state))
    for group, settings in zip(optimizer.param_groups, own, strict=True):
        group.update(settings)


def check_heads(old: Mapping[str, Any], new: Mapping[str, Any], source: str) -> None:
    """Raise ValueError where two recipes differ in attention heads, whose weights have the same shapes.

    Args:
        old: recipe of the checkpoint.
        new: that of the run.
        source: the checkpoint, for the message.
    """
    if new.get("architecture") == "residual_unet":  # the preset of `network` is not used
        return
    there, here = old.get("sizes") or {}, new.get("sizes") or {}
    for name in HEADS:
        if name in there and name in here and there[name] != here[name]:
            raise ValueError(
                f"{source} has {name} {there[name]}, this run {here[name]} (their weights have the same shapes): "
                "choose the --network it was trained with"
            )


def changed_settings(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any, Any]]:
    """Return (name, old, new) of all plain values that differ, nested names joined by dots."""
    found: list[tuple[str, Any, Any]] = []
    for name in sorted(old.keys() | new.keys()):
        before, after = old.get(name), new.get(name)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            found += changed_settings(before, after, f"{prefix}{name}.")
        elif before != after:
            found.append((f"{prefix}{name}", before, after))
    return found
