"""Downloaded archives to chunked HDF5, section by section, by the conversions of the manifest."""

import io
import json
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from scripts.data.datasets.manifest import Conversion, Manifest, RemoteFile
from scripts.data.files.replacing import full_disk_reported
from scripts.data.files.writing import write_hdf5
from scripts.data.volumes import open_volume

OVERHEAD = 1 << 20
"""Bytes that a file may have beside its voxels."""
COLOURS = 4
"""Values of a voxel at most, where grey was saved as colour."""


def converted_files(manifest: Manifest) -> dict[Path, list[tuple[RemoteFile, Conversion]]]:
    """The files that the steps of a manifest make, each with what goes into it."""
    made: dict[Path, list[tuple[RemoteFile, Conversion]]] = {}
    for file in manifest.files:
        for step in file.steps:
            made.setdefault(manifest.folder / step.target.rsplit(":", 1)[0], []).append((file, step))
    return made


def is_converted(path: Path, parts: Sequence[tuple[RemoteFile, Conversion]]) -> bool:
    """Whether `path` has these datasets, made from the same downloads."""
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("sources") != _sources(parts):
                return False
            found = {name: (dataset.shape, str(dataset.dtype)) for name, dataset in file.items()}
    except OSError:
        return False
    return found == {_dataset(step): (step.shape, step.dtype) for _, step in parts}


def convert(
    path: Path,
    parts: Sequence[tuple[RemoteFile, Conversion]],
    downloads: Path,
    manifest: Manifest,
    overwrite: bool = False,
) -> None:
    """Write one HDF5 file from archives in the folder `downloads`; it appears under its name when it is complete.

    Its attributes are `resolution` (nm, z y x), `sources`, `licence` and `citation`.

    Raises:
        ValueError: a member that is missing, or is not of the shape and type that the manifest states.
        OSError: a damaged archive, no space left.
    """
    about = {"sources": _sources(parts), "licence": manifest.licence, "citation": manifest.citation}
    with ExitStack() as stack:
        datasets = {_dataset(step): _sections(downloads / file.name, step, stack) for file, step in parts}
        write_hdf5(path, datasets, manifest.voxel_size_nm, overwrite=overwrite, attributes=about)


def _sections(source: Path, step: Conversion, stack: ExitStack) -> Iterator[np.ndarray]:
    """Slabs `(1, y, x)` of one dataset, checked against the step."""
    if zipfile.is_zipfile(source):
        archive = stack.enter_context(zipfile.ZipFile(source))
        read = _numbered(archive, step) if "*" in step.source else _stack(archive, step)
    elif source.suffix == ".zip":
        raise OSError(f"{source} is not a zip archive; remove it and fetch it again")
    else:
        read = _volume(source, step)
    title, count = f"converting {step.target}", 0
    for z, (name, section) in enumerate(tqdm(read, title, step.shape[0], unit="section", disable=None, leave=False)):
        if section.ndim == 3 and (section == section[..., :1]).all():  # grey saved as colour
            section = section[..., 0]
        if section.shape != step.shape[1:] or z >= step.shape[0]:
            raise ValueError(
                f"{source.name}, {name}: section {z} has shape {section.shape}, the manifest states {step.shape}"
            )
        exact = section.astype(step.dtype)
        if exact.dtype != section.dtype and not np.array_equal(exact, section):
            raise ValueError(
                f"{source.name}, {name}: section {z} is {section.dtype} from {section.min()} to {section.max()}, "
                f"which {step.dtype} cannot hold; correct dtype in the manifest"
            )
        yield exact[None]
        count = z + 1
    if count != step.shape[0]:
        raise ValueError(f"{source.name}: {step.source} has {count} sections, the manifest states {step.shape[0]}")


def _numbered(archive: zipfile.ZipFile, step: Conversion) -> Iterator[tuple[str, np.ndarray]]:
    """One member a section, in the order of the last number in their names."""
    named = {_number(member): member for member in _members(archive, step.source)}
    first, last = step.sections or (min(named, default=0), max(named, default=-1) + 1)
    lost = [number for number in range(first, last) if number not in named]
    if lost or first == last:
        raise ValueError(
            f"{archive.filename}: {step.source} has no section {lost[0] if lost else first} of {first}:{last}; "
            f"it matches {len(named)} members"
        )
    for number in range(first, last):
        member = named[number]
        _check_size(archive, member, 1, step)
        yield member, _picture(_read(archive, member), member, step)


def _stack(archive: zipfile.ZipFile, step: Conversion) -> Iterator[tuple[str, np.ndarray]]:
    """A member with all sections, unpacked beside the archive while it is read."""
    found = _members(archive, step.source)
    if len(found) != 1:
        every = ", ".join(name for name in archive.namelist()[:8])
        raise ValueError(f"{archive.filename}: {len(found)} members end in {step.source}, one should; it holds {every}")
    _check_size(archive, found[0], step.shape[0], step)
    _check_space(archive, found[0])
    with tempfile.TemporaryDirectory(dir=Path(str(archive.filename)).parent, prefix=".unpacked-") as folder:
        plain = Path(folder) / PurePosixPath(found[0]).name
        with full_disk_reported(plain), archive.open(found[0]) as packed, open(plain, "wb") as file:
            while block := _guarded(lambda: packed.read(1 << 20), archive, found[0]):
                file.write(block)
        yield from _volume(plain, step)


def _volume(path: Path, step: Conversion) -> Iterator[tuple[str, np.ndarray]]:
    with open_volume(path) as volume:
        if tuple(volume.shape) != step.shape:
            raise ValueError(f"{path.name} has shape {tuple(volume.shape)} (z, y, x), the manifest states {step.shape}")
        for z in range(len(volume)):
            yield path.name, volume[z]


def _members(archive: zipfile.ZipFile, pattern: str) -> list[str]:
    """Members whose path matches the pattern at its end; what macOS adds to archives is left out."""
    names = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
    return [name for name in names if PurePosixPath(name).match(pattern)]


def _number(member: str) -> int:
    digits = re.findall(r"\d+", PurePosixPath(member).stem)
    return int(digits[-1]) if digits else -1


def _read(archive: zipfile.ZipFile, member: str) -> bytes:
    return bytes(_guarded(lambda: archive.read(member), archive, member))


def _guarded(read: Any, archive: zipfile.ZipFile, member: str) -> Any:
    try:
        return read()
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise OSError(
            f"{archive.filename}: {member} is damaged ({error}); remove the archive and fetch again"
        ) from error


def _check_size(archive: zipfile.ZipFile, member: str, sections: int, step: Conversion) -> None:
    """Refuse a member that unpacks to more than its sections can take, before it is unpacked."""
    size = archive.getinfo(member).file_size
    voxels = sections * step.shape[1] * step.shape[2]
    most = OVERHEAD + 2 * COLOURS * max(4, np.dtype(step.dtype).itemsize) * voxels
    if size > most:
        raise ValueError(
            f"{archive.filename}: {member} unpacks to {size:,} bytes, {sections} sections of {step.shape[1:]} voxels "
            f"take at most {most:,}; correct the shape in the manifest, or use another archive"
        )


def _check_space(archive: zipfile.ZipFile, member: str) -> None:
    size, folder = archive.getinfo(member).file_size, Path(str(archive.filename)).parent
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(f"{folder}: {member} unpacks to {size:,} bytes, {free:,} are free; free some space")


def _picture(content: bytes, name: str, step: Conversion) -> np.ndarray:
    """A section; its size is compared with the step before it is decoded."""
    from PIL import Image

    try:
        if name.lower().endswith((".tif", ".tiff")):
            import tifffile

            with tifffile.TiffFile(io.BytesIO(content)) as file:
                _check_shape(file.series[0].shape, name, step)
                return np.asarray(file.asarray())
        with Image.open(io.BytesIO(content)) as image:
            _check_shape((image.height, image.width), name, step)
            return np.asarray(image)
    except _OtherShapeError as error:
        raise ValueError(str(error)) from None
    except (OSError, ValueError, IndexError, Image.DecompressionBombError) as error:
        raise OSError(f"{name} cannot be read as an image ({error}); fetch the archive again") from error


class _OtherShapeError(Exception):
    """A section of another size than the manifest states."""


def _check_shape(shape: Sequence[int], name: str, step: Conversion) -> None:
    edges = tuple(int(size) for size in shape if size != 1)
    plain = tuple(size for size in step.shape[1:] if size != 1)
    if edges[: len(plain)] != plain or int(np.prod(edges[len(plain) :])) > COLOURS:
        raise _OtherShapeError(f"{name} has shape {tuple(shape)}, the manifest states {step.shape}")


def _dataset(step: Conversion) -> str:
    return step.target.rsplit(":", 1)[1]


def _sources(parts: Sequence[tuple[RemoteFile, Conversion]]) -> str:
    """What a converted file was made of, as JSON: it changes where an address, a checksum or a step does."""
    rows = [
        {
            "url": file.url,
            "md5": file.md5,
            "sha256": file.sha256,
            "from": step.source,
            "sections": step.sections,
            "to": step.target,
        }
        for file, step in parts
    ]
    return json.dumps(rows)
