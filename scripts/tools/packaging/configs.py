"""Configs as a package has them: they find their own weights, and build the network without looking at a file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODEL = "$@bundle_root + '/models/model.pt'"
FALLBACKS = {"scripts.checkpoints.recipe_of": "recipe", "scripts.checkpoints.decoder_of": "decoder"}
"""Components that read a part of a checkpoint, with an `otherwise` for where there is none -> that part."""


def packaged(config: dict[str, Any], name: str, about: dict[str, Any]) -> dict[str, Any]:
    """A config for a package.

    - `bundles/NAME`, where the repository has the bundle, becomes `models/NAME`, where the zoo has it.
    - The default of the setting `checkpoint` is `models/model.pt` of the package.
    - What a component reads from the checkpoint stands in its `otherwise` too: MONAI's exports build the network from
      any working directory, before they load weights.

    Args:
        config: parsed JSON; not changed.
        name: of the bundle.
        about: what is known about the weights; empty without weights.
    """
    made: dict[str, Any] = json.loads(json.dumps(config).replace(f"bundles/{name}", f"models/{name}"))
    if "checkpoint" in made:
        made["checkpoint"] = MODEL
    for part in components(made):
        known = about.get(FALLBACKS.get(part["_target_"], ""), {})
        if known and isinstance(part.get("otherwise"), dict):
            named = {key: known[key] for key in _settings(part["otherwise"]) if key in known}
            part["otherwise"] = {**part["otherwise"], "_desc_": "As models/model.pt was made.", **named}
    return made


def components(entry: Any) -> Iterator[dict[str, Any]]:
    """Every dictionary of a config that has a `_target_`."""
    if isinstance(entry, dict):
        if isinstance(entry.get("_target_"), str):
            yield entry
        for value in entry.values():
            yield from components(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from components(value)


def fallbacks(config: dict[str, Any]) -> dict[str, Any]:
    """Part of a checkpoint -> what a config takes where there is none."""
    return {
        FALLBACKS[part["_target_"]]: _settings(part["otherwise"])
        for part in components(config)
        if part["_target_"] in FALLBACKS and isinstance(part.get("otherwise"), dict)
    }


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ValueError: not JSON, with the place.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: line {error.lineno}, column {error.colno}: not JSON ({error.msg})") from None
    return content


def write_json(content: dict[str, Any], path: Path) -> None:
    """As the zoo's pre-commit formats JSON: four spaces, keys as they come, ASCII."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=4) + "\n", encoding="utf-8")


def _settings(otherwise: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in otherwise.items() if not key.startswith("_")}
