"""What is done of an unfinished prediction, and with which settings: a file in its folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scripts.data.files.replacing import replacing

UNITS = ("sections", "blocks")
"""What a prediction is completed by: `PartialPrediction`, `PartialBlocks`."""
RENAMED = {"reduce": "downsample"}
"""Name of a setting of earlier predictions -> name now."""


class ProgressFile:
    """`progress.json` of an unfinished prediction.

    Args:
        folder: of the unfinished prediction, `NAME.partial`.
        unit: what the prediction is completed by, one of `UNITS`.
    """

    def __init__(self, folder: Path, unit: str) -> None:
        self.folder, self.unit = folder, unit

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "progress.json"

    def read(self) -> dict[str, Any]:
        """How many units are "completed", how many "channels" there are, and the "settings"; of no file, none.

        Raises:
            ValueError: a damaged file, or one of another unit.
        """
        try:
            noted: dict[str, Any] = json.loads(self.path.read_text())
            other = next((unit for unit in UNITS if unit in noted), self.unit)
            if other == self.unit:
                settings = {RENAMED.get(name, name): value for name, value in noted["settings"].items()}
                return {"completed": int(noted[other]), "channels": int(noted["channels"]), "settings": settings}
        except FileNotFoundError:
            return {"completed": 0, "channels": 0, "settings": {}}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"'{self.path}' cannot be read ({error}); start again with --overwrite true") from error
        raise ValueError(
            f"'{self.folder}' was begun in {other}, this run goes by {self.unit}: give --workers, --scheduler and "
            "--blocks as then, or start again with --overwrite true"
        )

    def write(self, completed: int, channels: int, settings: Mapping[str, Any]) -> None:
        """Replace the file."""
        noted = {self.unit: completed, "channels": channels, "settings": settings}
        with replacing(self.path, overwrite=True) as partial:
            partial.write_text(json.dumps(noted))

    def check_settings(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Raise ValueError where a setting that the earlier run noted differs now."""
        differing = [
            f"{name} was {before[name]}, is {value}"
            for name, value in now.items()
            if name in before and before[name] != value
        ]
        if differing:
            raise ValueError(
                f"'{self.folder}' was begun with other settings: {'; '.join(differing)}. Use the same, or start again "
                "with --overwrite true"
            )
