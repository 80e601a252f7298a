"""Nothing that a file states may reach a config as more than data: MONAI runs text that begins with `$` as code."""

from collections.abc import Mapping
from typing import Any

import jsonschema

COMPUTED = ("$", "@", "%")
"""First characters of text that MONAI computes."""
COMPONENT_KEYS = ("_target_", "_requires_", "_disabled_", "_mode_")
"""Keys by which MONAI makes an object of a mapping."""
COUNT = {"type": "integer", "minimum": 0, "maximum": 2**31}
SIZE = {"type": "array", "items": {**COUNT, "minimum": 1, "maximum": 65536}, "minItems": 3, "maxItems": 3}
WIDTH = {"type": "number", "exclusiveMinimum": 0, "maximum": 65536}
NAME = {"type": "string", "maxLength": 200}
EXTENT = {"type": "integer", "minimum": 1, "maximum": 65536}
ENCODER = {
    "type": ["object", "null"],
    "properties": {
        "encoder": NAME,
        **dict.fromkeys(("width", "depth", "heads", "decoder_width", "decoder_depth", "decoder_heads"), EXTENT),
    },
}
"""A preset of `network`; what its encoder needs beside these is checked when it is built."""
TRUNK = {
    "type": ["object", "null"],
    "properties": {
        "widths": {"type": "array", "items": EXTENT, "minItems": 1, "maxItems": 32},
        "forms": {"type": "array", "items": {"type": "string", "pattern": "^[23]{1,32}$"}, "maxItems": 32},
        "fold": EXTENT,
        "norm": {"enum": ["group", "batch"]},
    },
    "required": ["widths", "forms", "fold"],
}
RECIPE = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("crop", "patch", "window", "stride", "downsample"), SIZE),
        "pad": {**SIZE, "items": COUNT},
        **dict.fromkeys(("task", "network", "unetr_decoder", "architecture", "trunk", "token_mask", "precision"), NAME),
        **dict.fromkeys(("unetr_form", "trunk_norm"), NAME),
        "sizes": ENCODER,
        "trunk_sizes": TRUNK,
        "mask": {"type": ["string", "array", "null"]},
        "widths": {"type": "array", "items": {**COUNT, "minimum": 1, "maximum": 65536}, "maxItems": 32},
        "activations": {"type": "array", "items": NAME, "minItems": 1, "maxItems": 256},
        "channels": {"type": "array", "items": NAME, "minItems": 1, "maxItems": 256},
        "auxiliary_offsets": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "auxiliary_descriptors": {"type": ["array", "null"], "items": WIDTH, "minItems": 3, "maxItems": 3},
        "flips": {"enum": [1, 4, 8, 16]},
        "mask_ratio": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        **{key: {"type": ["number", "null"]} for key in ("grey_low", "grey_high")},
        **dict.fromkeys(("batch", "iterations", "warm_up", "freeze", "seed"), COUNT),
    },
}
"""Types, ranges and lengths of a recipe by the names of today."""
DECODER = {
    "type": ["object", "null"],
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,99}$"},
        "settings": {"type": "object", "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_]{0,99}$"}},
    },
    "required": ["name", "settings"],
}


def check_recipe(recipe: Any, source: str) -> None:
    """Refuse a recipe that holds code, or values of another type or range.

    Args:
        recipe: by the names of today.
        source: the file, for the message.

    Raises:
        ValueError: names the file, the place and the value.
    """
    check_plain(recipe, source, "recipe")
    _check_schema(recipe, RECIPE, source, "recipe")


def check_decoder(decoder: Any, source: str) -> None:
    """Refuse the decoder of a file that is not a name with settings, or holds code.

    Raises:
        ValueError: names the file, the place and the value.
    """
    check_plain(decoder, source, "decoder")
    _check_schema(decoder, DECODER, source, "decoder")


def check_plain(value: Any, source: str, place: str) -> None:
    """Refuse text and keys that a config would execute.

    Raises:
        ValueError: names the file, the place and the value.
    """
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in COMPONENT_KEYS or not isinstance(key, str) or key.startswith(COMPUTED):
                raise ValueError(f"{source}: {place} has the key {key!r}, which a config would execute; do not use it")
            check_plain(item, source, f"{place}#{key}")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            check_plain(item, source, f"{place}#{number}")
    elif isinstance(value, str) and value.lstrip().startswith(COMPUTED):
        raise ValueError(f"{source}: {place} is {value[:60]!r}, which a config would execute; do not use it")


def _check_schema(value: Any, schema: Mapping[str, Any], source: str, name: str) -> None:
    error = next(iter(jsonschema.Draft202012Validator(schema).iter_errors(value)), None)
    if error is not None:
        place = "#".join([name, *map(str, error.absolute_path)])
        raise ValueError(f"{source}: {place} is {str(error.instance)[:60]}: {error.message[:120]}")
