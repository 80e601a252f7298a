"""The conditions of each kind of experiment: what is compared, from the texts of --values and --methods."""

import string
from collections.abc import Sequence
from pathlib import Path

from scripts.tools.experiments.grids import TRUNK, Condition
from scripts.workflow.knobs import KNOBS, knob_value
from scripts.workflow.typed_words import literal

ARCHITECTURES = ("unetr", "residual_unet", "hybrid")
"""Networks of fine-tuning."""
PLAIN = frozenset(string.ascii_letters + string.digits + "[](),.-_")
"""Letters of a knob's value in the name of a run."""


def label_budget(values: Sequence[str], methods: Sequence[str]) -> list[Condition]:
    """Numbers of labelled sections against methods, such as `residual_unet` and `residual_unet+pretrained`."""
    return [
        Condition(
            f"{method}_{count}_sections",
            {"labelled_sections": _whole(count), **_method(method)[0]},
            _method(method)[1],
            float(count),
            method,
            axis="labelled sections",
        )
        for count in values
        for method in methods
    ]


def mask(values: Sequence[str], methods: Sequence[str]) -> list[Condition]:
    """Kinds of masks in pre-training; the ratio is that of the pre-training's overlays."""
    return [
        Condition(
            f"{method}_{kind}", _method(method)[0], {**(_method(method)[1] or {}), "token_mask": kind}, None, method
        )
        for kind in values
        for method in methods
    ]


def ratio(values: Sequence[str], methods: Sequence[str]) -> list[Condition]:
    """Shares of hidden tokens in pre-training."""
    return [
        Condition(
            f"{method}_ratio_{value}",
            _method(method)[0],
            {**(_method(method)[1] or {}), "mask_ratio": float(value)},
            float(value),
            method,
            axis="share of hidden tokens",
        )
        for value in values
        for method in methods
    ]


def decoder(values: Sequence[str], methods: Sequence[str]) -> list[Condition]:
    """Presets of the UNETR's decoder."""
    return [
        Condition(
            f"{method}_{preset}", {**_method(method)[0], "unetr_decoder": preset}, _method(method)[1], None, method
        )
        for preset in values
        for method in methods
    ]


def architecture(values: Sequence[str], methods: Sequence[str]) -> list[Condition]:
    """Networks, each from `scratch`, or `pretrained`, or both."""
    wrong = [method for method in methods if method not in STARTS]
    if wrong:
        raise ValueError(
            f"--methods '{wrong[0]}' is not one of {', '.join(STARTS)}, which an architecture is compared by"
        )
    return [
        Condition(f"{name}_{method}", *_method(name + STARTS[method]), None, method)
        for name in values
        for method in methods
    ]


def recipe(values: Sequence[str], methods: Sequence[str]) -> list[Condition]:
    """Fine-tuning with one change each: an overlay file, knobs as `KNOB=VALUE`, joined by +, or nothing for a name.

    The first is what the others are subtracted from. `base`, `erosion=0`, `crop=[6,96,96]+iterations=4000` and
    `my/wide.json` are values; a row has the name of its file, without folder and ending.
    """
    made: list[Condition] = []
    for method in methods:
        fine_tuning, pretraining = _method(method)
        first = ""
        for value in values:
            file = value.endswith(".json") and "=" not in value
            name = f"{method}_{Path(value).stem if file else value}"
            knobs = {} if file else _knobs(value)
            overlays = (value,) if file else ()
            made.append(Condition(name, {**fine_tuning, **knobs}, pretraining, None, method, overlays, first))
            first = first or name
    return made


def _knobs(text: str) -> dict[str, object]:
    """Knobs of `KNOB=VALUE+KNOB=VALUE`; none of a word alone.

    Raises:
        ValueError: a part that is none, or a value that its knob does not allow.
    """
    parts = text.split("+")
    if len(parts) == 1 and parts[0].isidentifier():
        return {}
    knobs: dict[str, object] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not (name.isidentifier() and equals and value) or name in knobs or not set(value) <= PLAIN:
            raise ValueError(
                f"--values '{text}' is neither a name, such as base, nor an overlay file, nor a knob with a value, "
                "such as erosion=0, or several, joined by +"
            )
        knobs[name] = knob_value(name, value) if name in KNOBS else literal(value)
    return knobs


STARTS = {"scratch": "", "pretrained": "+pretrained"}
"""Methods of `architecture` -> ending of a method of the other kinds."""
KINDS = {
    "label_budget": (label_budget, ("2", "6", "20"), ("residual_unet", "residual_unet+pretrained")),
    "mask": (mask, ("random", "space_only", "section_only"), ("unetr+pretrained",)),
    "ratio": (ratio, ("0.5", "0.75", "0.9"), ("unetr+pretrained",)),
    "decoder": (decoder, ("published", "light"), ("unetr",)),
    "recipe": (recipe, ("base",), ("residual_unet",)),
    "architecture": (architecture, ("unetr", "residual_unet", "hybrid"), ("scratch",)),
}
"""Kind -> conditions of given values and methods, and what both are by default."""


def _method(name: str) -> tuple[dict[str, object], dict[str, object] | None]:
    """Knobs of fine-tuning and of pre-training (None: from scratch) of `ARCHITECTURE` or `ARCHITECTURE+pretrained`."""
    network, plus, word = name.partition("+")
    if network not in ARCHITECTURES:
        raise ValueError(f"architecture '{network}' in --methods or --values is not one of {', '.join(ARCHITECTURES)}")
    if plus and word != "pretrained":
        raise ValueError(f"--methods '{name}' is not ARCHITECTURE or ARCHITECTURE+pretrained, such as unetr+pretrained")
    pretraining: dict[str, object] | None = None
    if plus:
        pretraining = {"architecture": TRUNK} if network == TRUNK else {}
    return {"architecture": network}, pretraining


def _whole(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ValueError(f"--values '{text}' is not a number of labelled sections, such as 6")
    return int(text)
