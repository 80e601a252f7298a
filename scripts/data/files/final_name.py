"""Give the complete store of an unfinished prediction its final name, in steps that a later run can repeat."""

import os
import shutil
from pathlib import Path

STORE, REPLACED = "store", "replaced"
"""In the folder of an unfinished prediction: the prediction itself, and an earlier one that was moved aside."""


def give_name(folder: Path, out: Path, overwrite: bool) -> None:
    """Move the store in a folder to its final name, and remove the folder.

    Args:
        folder: of the unfinished prediction; without a store, an earlier run has moved it.
        out: the final name.
        overwrite: whether a prediction of this name is replaced.

    Raises:
        FileExistsError: there is one, and it is not to be replaced; the store is kept.
    """
    store, replaced = folder / STORE, folder / REPLACED
    if store.exists():
        if out.exists() and not overwrite:
            raise FileExistsError(
                f"'{out}' appeared while this prediction was made, and is left as it is. The new one is complete in "
                f"'{folder}': move the other away, then --resume true"
            )
        if out.exists() and (out.is_dir() or store.is_dir()):  # a file is replaced in one step
            remove(replaced)
            os.replace(out, replaced)
        os.replace(store, out)
    shutil.rmtree(folder, ignore_errors=True)


def discard(folder: Path, out: Path) -> None:
    """Remove the folder of an unfinished prediction; an earlier one that was moved aside is put back first."""
    replaced = folder / REPLACED
    if replaced.exists() and not out.exists():
        os.replace(replaced, out)
    shutil.rmtree(folder, ignore_errors=True)


def remove(path: Path) -> None:
    """Remove a file or a folder that may be missing."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
