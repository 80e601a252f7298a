"""Step the learning-rate schedule once an iteration, and restore it from the iteration alone."""

from collections.abc import Mapping

from ignite.engine import Engine, Events
from torch.optim.lr_scheduler import LambdaLR


class LearningRate:
    """Step a schedule after each iteration.

    The checkpoint holds only the number of steps, not the shape of the schedule, so a run may be resumed with more
    iterations or another rate, and follows the new schedule from there.

    Args:
        schedule: a pure function of the number of steps, such as `monai.optimizers.WarmupCosineSchedule`.
    """

    def __init__(self, schedule: LambdaLR) -> None:
        self.schedule = schedule

    def attach(self, engine: Engine) -> None:
        """Step at the end of each of the engine's iterations; attach after the logger, which records the rate."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._step)

    def _step(self) -> None:
        self.schedule.step()

    def state_dict(self) -> dict[str, int]:
        """State for the checkpoint."""
        return {"steps": int(self.schedule.last_epoch)}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Restore the state; call it after the optimizer's."""
        self.schedule.last_epoch = int(state["steps"])
        for group, lr in zip(self.schedule.optimizer.param_groups, self.schedule.get_lr(), strict=True):
            group["lr"] = lr
