"""A folder as a zip file that is the same to the byte whenever and wherever it is made."""

import zipfile
from pathlib import Path

FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can store."""


def write_zip(folder: Path, path: Path) -> None:
    """Pack a folder under its own name: entries sorted, times and permissions fixed, compressed as far as it goes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            entry = zipfile.ZipInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}", FIRST_DAY)
            entry.create_system = 3  # Unix, also where it is not
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes(), compresslevel=9)
