"""Configs as a package has them: they find their own weights, and build the network without looking at a file."""

import json
from pathlib import Path
from typing import Any

MODEL = "$@bundle_root + '/models/model.pt'"


def packaged(config: dict[str, Any], name: str) -> dict[str, Any]:
    """A config for a package.

    - `bundles/NAME`, where the repository has the bundle, becomes `models/NAME`, where the zoo has it.
    - The default of the setting `checkpoint` is `models/model.pt` of the package.

    Args:
        config: parsed JSON; not changed.
        name: of the bundle.
    """
    made: dict[str, Any] = json.loads(json.dumps(config).replace(f"bundles/{name}", f"models/{name}"))
    if "checkpoint" in made:
        made["checkpoint"] = MODEL
    return made


def packaged_model(model: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """`configs/model.json` of a package: MONAI's exports build the network from it before they load weights.

    Args:
        model: that of the bundle, the published network.
        about: what is known about the weights; empty without weights.
    """
    recipe = {key: about.get("recipe", {}).get(key, value) for key, value in model["recipe"].items()}
    decoder = about.get("decoder") or model.get("decoder")
    words = "As models/model.pt was made." if about else model["_desc_"]
    return {"_desc_": words, "recipe": recipe, **({"decoder": decoder} if decoder else {})}


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
