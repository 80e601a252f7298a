"""Probe frozen networks: fit read-outs of their tokens on one box, score them on another, write a table."""

import json
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.checkpoints.probed_networks import ProbedNetwork
from scripts.inferers.labelled_tokens import LabelledTokens
from scripts.metrics.readouts import Readout
from scripts.metrics.score_report import check_free, write_reports
from scripts.ops.scoring.readout_scores import area_under_curve, r_squared

logger = logging.getLogger(__name__)

POSITIVE = 0.5
"""Least mean of a map in a token that counts as positive for the area under the curve."""
DEFINITIONS = (
    "A value is the mean of a target map over the known voxels of a token. R2: 1 - squared error / squared deviation "
    f"from the mean, on tokens of the scored box. AUC: chance that a token of a value of at least {POSITIVE} gets a "
    "higher number than one below. Higher is better; 1 is perfect, R2 0 and AUC 0.5 are chance."
)


@dataclass(frozen=True)
class ProbeScore:
    """One read-out of one network.

    Attributes:
        tokens: name of the network.
        readout: name of the read-out.
        r2, auc: channel -> score; nan where all values are equal, or all on one side of `POSITIVE`.
    """

    tokens: str
    readout: str
    r2: Mapping[str, float]
    auc: Mapping[str, float]


class Probe:
    """Compare frozen networks by what read-outs find in their tokens.

    Args:
        networks: see `probed_networks`.
        training: tokens that read-outs are fitted on.
        validation: tokens that they are scored on.
        readouts: by name; fitted anew for each network.
        channels: names of the target maps.
    """

    def __init__(
        self,
        networks: Sequence[ProbedNetwork],
        training: LabelledTokens,
        validation: LabelledTokens,
        readouts: Mapping[str, Readout],
        channels: Sequence[str],
    ) -> None:
        self.networks, self.training, self.validation = tuple(networks), training, validation
        self.readouts, self.channels = dict(readouts), tuple(channels)

    def scores(self) -> list[ProbeScore]:
        """Fit and score every read-out of every network.

        Raises:
            ValueError: targets of another number of channels, boxes or windows that do not fit, one section alone.
        """
        found = []
        for network in self.networks:
            fitted_on = self.training.table(network.features, network.window)
            scored_on = self.validation.table(network.features, network.window)
            if fitted_on.values.shape[1] != len(self.channels):
                raise ValueError(
                    f"{len(self.channels)} channels are named, the targets have {fitted_on.values.shape[1]}"
                )
            for name, readout in self.readouts.items():
                readout.fit(fitted_on.features, fitted_on.values, fitted_on.sections)
                predicted = readout.predict(scored_on.features)
                r2, auc = {}, {}
                for k, channel in enumerate(self.channels):
                    r2[channel] = r_squared(scored_on.values[:, k], predicted[:, k])
                    auc[channel] = area_under_curve(scored_on.values[:, k] >= POSITIVE, predicted[:, k])
                found.append(ProbeScore(network.name, name, r2, auc))
                logger.info(f"{network.name}, {name}: R2 {', '.join(f'{c} {v:.3f}' for c, v in r2.items())}")
        return found


def write_probe(
    probe: Probe, output_dir: str | os.PathLike[str], metadata: Mapping[str, Any], overwrite: bool = False
) -> None:
    """Run a probe, and write and log its table: probe.json and probe.md.

    Args:
        probe: not yet run.
        output_dir: made where it is missing.
        metadata: values by name, such as volumes and boxes; also written above the table.
        overwrite: replace earlier files.

    Raises:
        ValueError: earlier files, and what `Probe.scores` raises.
    """
    path = Path(output_dir) / "probe.json"
    check_free(path, overwrite)
    scores = probe.scores()
    table = probe_table(scores)
    heading = "".join(f"{name}: {value}  \n" for name, value in metadata.items())
    rows = [{name: _plain(value) for name, value in asdict(score).items()} for score in scores]
    content = {**metadata, "definitions": DEFINITIONS, "scores": rows}
    write_reports(path, f"{heading}\n{table}\n\n{DEFINITIONS}\n", json.dumps(content, indent=2, allow_nan=False) + "\n")
    logger.info(f"\n{table}\n\n{path}\n{path.with_suffix('.md')}")


def probe_table(scores: Sequence[ProbeScore]) -> str:
    """A Markdown table: R2 of every channel, and AUC in brackets."""
    channels = list(scores[0].r2)
    lines = ["| tokens | read-out | " + " | ".join(f"{channel}: R2 (AUC)" for channel in channels) + " |"]
    lines.append("|" + "---|" * (len(channels) + 2))
    for score in scores:
        cells = [f"{score.r2[channel]:.3f} ({score.auc[channel]:.3f})" for channel in channels]
        lines.append(f"| {score.tokens} | {score.readout} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    """A value as JSON has it: null where it is not defined."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
