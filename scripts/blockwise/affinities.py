"""Affinities of a block and the thresholds of its decoder; ranks are found in the counts of all blocks."""

import json
from pathlib import Path

import numpy as np

from scripts.blockwise.plan import Plan
from scripts.blockwise.result_files import load, save
from scripts.engines.freed_memory import return_freed_memory
from scripts.ops.box import Box
from scripts.ops.decoding.affinity_ranks import affinity_of_rank, bins_of_ranks, counts_within, value_counts
from scripts.ops.decoding.decoders import (
    MeanAgglomeration,
    PercentileZWatershed,
    QuantileAgglomeration,
    ZWatershed,
    decoder,
)
from scripts.ops.decoding.probability_checks import check_range, checked_prediction
from scripts.ops.decoding.size_merging import SizeRule
from scripts.ops.decoding.zwatershed import AffinityThresholds
from scripts.ops.targets.affinity_convention import convention

AffinityDecoder = ZWatershed | PercentileZWatershed | MeanAgglomeration | QuantileAgglomeration
"""Decoders of nearest-neighbour affinities."""


def affinity_decoder(plan: Plan) -> AffinityDecoder:
    """The decoder of a plan."""
    made = decoder(plan.decoder, plan.settings)
    assert isinstance(made, AffinityDecoder)
    return made


def read_affinities(plan: Plan, box: Box) -> np.ndarray:
    """(3, z, y, x) affinities of a box of the plan's in the form of `NEAREST`, uint8 or float32, checked.

    Raises:
        ValueError: values that are no affinities.
    """
    assert convention(affinity_decoder(plan).offsets).offsets[:3] == convention("nearest").offsets
    affinities = checked_prediction(plan.read(box, 3), 3, "affinities")
    check_range(affinities, name=f"affinities (counted from {box.start})")
    return_freed_memory()
    return affinities


def number_type(plan: Plan) -> np.dtype:
    """In what affinities are compared: uint8 or float32."""
    return np.dtype(np.uint8 if plan.dtype == "uint8" else np.float32)


def thresholds_of(folder: Path, plan: Plan) -> AffinityThresholds:
    """The thresholds as affinities."""
    made = affinity_decoder(plan)
    if isinstance(made, PercentileZWatershed):
        return AffinityThresholds(**json.loads((folder / "thresholds.json").read_text()))
    return AffinityThresholds(made.low, made.high, made.weak)


def size_rule(folder: Path, plan: Plan) -> SizeRule:
    """How basins merge by size; agglomeration removes dust later, from its segments."""
    made = affinity_decoder(plan)
    last = isinstance(made, ZWatershed | PercentileZWatershed)
    dust, join = (made.dust, made.join) if last else (0, None)  # type: ignore[union-attr]
    at = thresholds_of(folder, plan)
    return SizeRule.of(number_type(plan), at.low, at.weak, made.size, dust, join)


def count_values(folder: Path, number: int) -> None:
    """Count the values of a block."""
    plan = Plan.load(folder)
    affinities = read_affinities(plan, plan.grid.box(number))
    save(values_file(folder, number), counts=value_counts(affinities))


def count_values_within(folder: Path, number: int) -> None:
    """Count the values of a block in the bins that hold the ranks."""
    plan = Plan.load(folder)
    affinities = read_affinities(plan, plan.grid.box(number))
    bins = {value for value, _ in _bins(folder, plan)}
    save(within_file(folder, number), **{f"bin{value}": counts_within(affinities, value) for value in bins})


def find_thresholds(folder: Path) -> None:
    """Write thresholds.json: the affinities at the ranks that the decoder asks for."""
    plan = Plan.load(folder)
    found = []
    for value, rank in _bins(folder, plan):
        within = sum(load(within_file(folder, n), f"bin{value}")[0] for n in range(len(plan.grid)))
        found.append(affinity_of_rank(number_type(plan), value, rank, np.asarray(within)))
    low, high, weak = found
    (folder / "thresholds.json").write_text(json.dumps({"low": low, "high": high, "weak": weak}))


def values_file(folder: Path, number: int) -> Path:
    """Counts of the values of a block."""
    return folder / "values" / f"{number}.arrays"


def within_file(folder: Path, number: int) -> Path:
    """Counts of the values within single bins."""
    return folder / "within" / f"{number}.arrays"


def _bins(folder: Path, plan: Plan) -> list[tuple[int, int]]:
    made = affinity_decoder(plan)
    counts = sum(load(values_file(folder, n), "counts")[0] for n in range(len(plan.grid)))
    return bins_of_ranks(np.asarray(counts), (made.low, made.high, made.weak))
