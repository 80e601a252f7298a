"""Data manifests: one JSON a data set, in the form of MONAI's data lists, checked on load."""

import difflib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import jsonschema

from scripts.ops.box import Size3

Split = Literal["training", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)
SCHEMA = Path(__file__).with_name("manifest_schema.json")
FOLDER = "data_manifests"
REPOSITORY = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Entry:
    """One volume of a split, paths already resolved: image, label, box (`z0:z1,y0:y1,x0:x1`), weight, and further
    labels by class."""

    image: str
    label: str | None = None
    box: str | None = None
    weight: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Conversion:
    """A dataset that a downloaded file becomes: members `source` (a glob of sections) to `target` (FILE.h5:DATASET)."""

    source: str
    target: str
    shape: Size3
    dtype: str
    sections: tuple[int, int] | None = None


@dataclass(frozen=True)
class RemoteFile:
    """A file to download; a size or checksum that is not published is None."""

    url: str
    name: str
    bytes: int | None
    md5: str | None
    sha256: str | None
    steps: tuple[Conversion, ...]


@dataclass(frozen=True)
class Manifest:
    """A data set as its manifest states it.

    Relative paths are counted from the data folder (`data_folder`) where the manifest names files to download, else
    from its own folder.
    """

    name: str
    path: Path
    folder: Path
    description: str
    licence: str
    citation: str
    voxel_size_nm: tuple[float, float, float]
    splits: Mapping[str, tuple[Entry, ...]]
    files: tuple[RemoteFile, ...]

    def entries(self, split: Split) -> tuple[Entry, ...]:
        """The volumes of a split.

        Raises:
            ValueError: another word than training, validation, test, or an empty split.
        """
        if split not in SPLITS:
            raise ValueError(f"split '{split}' is none of {', '.join(SPLITS)}")
        if not self.splits[split]:
            other = [name for name in SPLITS if self.splits[name]]
            raise ValueError(
                f"{self.path.name}: $.{split}: is empty, no volume to read; add an entry such as "
                f'{{"image": "volume.h5:raw", "box": "0:80,:,:"}}, or choose another split ({", ".join(other)})'
            )
        return self.splits[split]


def data_folder(name: str) -> Path:
    """Where fetched data sets live: `$SEM_DATA_HOME/NAME`, or `data/NAME` in the working directory."""
    return Path(os.environ.get("SEM_DATA_HOME") or "data") / name


def known_manifests() -> dict[str, Path]:
    """Names and paths of the manifests in `data_manifests`, of the working directory before the repository's."""
    found: dict[str, Path] = {}
    for root in (Path.cwd(), REPOSITORY):
        for path in sorted((root / FOLDER).glob("*.json")):
            found.setdefault(path.stem, path)
    return found


def load_manifest(name_or_path: str | os.PathLike[str], folder: str | os.PathLike[str] | None = None) -> Manifest:
    """Read and check a manifest.

    Args:
        name_or_path: `snemi3d` for `data_manifests/snemi3d.json`, or the path of a JSON file.
        folder: where its relative paths are counted from, if not as `Manifest` describes.

    Raises:
        FileNotFoundError: no such manifest; lists those there are.
        ValueError: not JSON, or not a manifest; names the file, the JSON path, the value and what belongs there.
    """
    path = _find(str(name_or_path))
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name}: line {error.lineno}, column {error.colno}: not JSON ({error.msg})") from None
    except RecursionError:
        raise ValueError(f"{path.name}: not JSON of a manifest, it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: not UTF-8 text ({error}); save it as UTF-8") from None
    check_manifest(content, path.name)
    files = tuple(map(_file, content.get("files", ())))
    base = Path(folder) if folder is not None else data_folder(content["name"]) if files else path.parent
    splits: dict[str, tuple[Entry, ...]] = {
        split: tuple(_entry(entry, base) for entry in content.get(split, ())) for split in SPLITS
    }
    z, y, x = map(float, content["voxel_size_nm"])
    description, licence, citation = (str(content[key]) for key in ("description", "licence", "citation"))
    return Manifest(content["name"], path, base, description, licence, citation, (z, y, x), splits, files)


def check_manifest(content: object, name: str) -> None:
    """Hold a parsed manifest against the schema.

    Raises:
        ValueError: as `snemi3d.json: $.validation[0].box: '80-100' is not ...`.
    """
    errors = sorted(_validator().iter_errors(content), key=lambda error: [str(part) for part in error.absolute_path])
    if errors:
        raise ValueError(f"{name}: {_explained(errors[0])}")


def _explained(error: jsonschema.ValidationError) -> str:
    """One line: JSON path, value, what belongs there."""
    schema = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        rule = schema.get("properties", {}).get(missing, {})
        wanted = _description(rule)
        return f"{error.json_path}: has no '{missing}'; add {missing}: {wanted}"
    if error.validator == "additionalProperties":
        known = [key for key in schema["properties"] if not key.startswith(("_", "$"))]
        stranger = next(key for key in error.instance if key not in schema["properties"])
        close = difflib.get_close_matches(stranger, known, 1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are: {', '.join(known)}"
        return f"{error.json_path}.{stranger}: unknown key '{stranger}'; {hint}"
    return f"{error.json_path}: {json.dumps(error.instance)[:80]} is not {_description(schema)}"


def _description(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        schema = _schema()["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return str(schema.get("description", "as the schema asks"))


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return schema


@cache
def _validator() -> jsonschema.protocols.Validator:
    return jsonschema.Draft202012Validator(_schema())


def _find(name_or_path: str) -> Path:
    if name_or_path.endswith(".json") or os.sep in name_or_path:
        path = Path(name_or_path)
        if not path.is_file():
            raise FileNotFoundError(f"no manifest '{path}'; copy data_manifests/template.json to write one")
        return path
    known = known_manifests()
    if name_or_path not in known:
        raise FileNotFoundError(
            f"no data set named '{name_or_path}'; there are: {', '.join(known) or f'none, no folder {FOLDER} here'}"
        )
    return known[name_or_path]


def _entry(entry: Mapping[str, Any], base: Path) -> Entry:
    label = entry.get("label")
    place = None if label is None else str(base / label)
    classes = {name: str(base / path) for name, path in entry.get("labels", {}).items()}
    return Entry(str(base / entry["image"]), place, entry.get("box"), entry.get("weight"), classes)


def _file(file: Mapping[str, Any]) -> RemoteFile:
    steps = tuple(map(_step, file["convert"]))
    return RemoteFile(file["url"], file["name"], file["bytes"], file["md5"], file.get("sha256"), steps)


def _step(step: Mapping[str, Any]) -> Conversion:
    z, y, x = step["shape"]
    first, last = map(int, step["sections"].split(":")) if "sections" in step else (0, 0)
    return Conversion(step["from"], step["to"], (z, y, x), step["dtype"], (first, last) if "sections" in step else None)
