"""`python -m scripts inspect PATH`: what is in a volume, which sections to look at, and a contact sheet."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np

from scripts.data.datasets.dataset_statistics import GreySurvey, LabelSurvey, survey_grey, survey_labels
from scripts.data.volumes import Volume, open_volume
from scripts.ops.box import Box
from scripts.ops.section_quality.findings import Finding
from scripts.tools.command_line.argument_types import BoxText, ending
from scripts.visualize.contact_sheet import Thumbnails, write_contact_sheet

COLUMNS = (
    ("mean", "mean", "{:.1f}"),
    ("std", "std", "{:.1f}"),
    ("1 %", "low", "{:.0f}"),
    ("50 %", "median", "{:.0f}"),
    ("99 %", "high", "{:.0f}"),
    ("at 0", "dark", "{:.2%}"),
    ("at top", "bright", "{:.2%}"),
    ("sharpness", "sharpness", "{:.2f}"),
)
LABEL_NAMES = re.compile(r"label|seg|ids|mask|annot|instance|supervox", re.IGNORECASE)


def inspect(
    path: str,
    out: Annotated[str, ending(".png")] | None = None,
    box: BoxText | None = None,
    labels: bool | None = None,
    sections: bool = False,
    overwrite: bool = False,
) -> str:
    """Show shape, voxel size, grey values by section, sections that look wrong, and draw a contact sheet.

    A section may look black, missing, saturated, slipped, swapped, misplaced, blurred, repeated or oddly bright, or
    tissue may be lost before it; ops/section_quality/measures.py has the rules. Labels get counts of ids instead.
    Example: python -m scripts inspect volume.h5:raw --box 0:80,:,:

    Args:
        path: a volume, such as volume.h5:raw, volume.zarr, a folder of sections, stack.tif, volume.nii.gz, volume.npy.
        out: the contact sheet; NAME_contact.png in the working directory if not given.
        box: the part to inspect, z0:z1,y0:y1,x0:x1 in voxels.
        labels: whether these are labels; by the type of the voxels and the name of the dataset if not given.
        sections: print the row of every section.
        overwrite: replace an earlier contact sheet.
    """
    with open_volume(path) as volume:
        part = Box.parse(box, volume.shape)
        sheet = Path(out) if out is not None else Path(f"{_stem(volume.path)}_contact.png")
        if sheet.exists() and not overwrite:
            raise FileExistsError(f"'{sheet}' exists; give the contact sheet another name (--out) or --overwrite")
        mask = volume.dtype.kind == "b"  # one object, 1
        are_labels = (mask or looks_like_labels(volume)) if labels is None else labels
        lines = _heading(volume, part)
        thumbnails = Thumbnails(volume, part, are_labels)
        if are_labels:
            counted = survey_labels(volume, part, thumbnails.look)
            lines += _label_lines(counted, volume, sections)
            findings, limits = counted.findings, None
        else:
            measured = survey_grey(volume, part, thumbnails.look)
            lines += _grey_lines(measured, sections)
            findings, limits = measured.findings, _limits(measured)
        lines += _finding_lines(findings)
        marked = {finding.section: finding.kind for finding in findings}
        title = f"{Path(volume.path).name}   box {part}   {_sections(findings)} to look at"
        write_contact_sheet(sheet, thumbnails, title, marked, limits, overwrite)
    return "\n".join([*lines, f"contact sheet  {sheet}"])


def looks_like_labels(volume: Volume) -> bool:
    """Whether the voxels are ids rather than grey values: 32 or 64 bit integers, or a dataset named so."""
    name = volume.path.rsplit(":", 1)[-1].rsplit("/", 1)[-1]
    return volume.dtype.kind in "iu" and (volume.dtype.itemsize >= 4 or bool(LABEL_NAMES.search(name)))


def _heading(volume: Volume, box: Box) -> list[str]:
    lines = [
        f"volume         {volume.path}",
        f"shape          {_times(volume.shape)} voxels (z, y, x), {volume.dtype}, {volume.nbytes / 2**20:,.1f} MiB",
    ]
    if volume.voxel_size_nm is None:
        lines.append("voxel size     unknown, the file does not state it")
    else:
        extent = [size * edge / 1000 for size, edge in zip(volume.shape, volume.voxel_size_nm, strict=True)]
        lines.append(f"voxel size     {_times(volume.voxel_size_nm)} nm (z, y, x); {_times(extent, '.3g')} um in all")
    if box != Box.whole(volume.shape):
        lines.append(f"box            {box}, {_times(box.shape)} voxels")
    if volume.position is not None and any(volume.position):
        lines.append(f"position       {_times(volume.position)} voxels (z, y, x) in a larger volume")
    return lines + [f"note           {remark}" for remark in volume.remarks()]


def _grey_lines(survey: GreySurvey, every: bool) -> list[str]:
    rows = [["sections", *(title for title, _, _ in COLUMNS)]]
    columns = {field: survey.column(field) for _, field, _ in COLUMNS}
    for name, reduce in (("lowest", np.min), ("median", np.median), ("highest", np.max)):
        rows.append([name, *(form.format(reduce(columns[field])) for _, field, form in COLUMNS)])
    shown = range(len(survey.statistics)) if every else sorted({f.section - survey.first for f in survey.findings})
    for k in shown:
        rows.append([str(survey.first + k), *(form.format(columns[field][k]) for _, field, form in COLUMNS)])
    return _table(rows)


def _label_lines(survey: LabelSurvey, volume: Volume, every: bool) -> list[str]:
    inside = np.sort(survey.voxels)
    unknown = survey.unknown.mean()
    lines = [f"ids            {len(survey.ids):,} besides background 0, which is {survey.background.mean():.1%} of all"]
    if len(survey.ids):
        top = int(survey.ids[-1])
        kind = np.min_scalar_type(top)
        fits = "" if kind.itemsize >= volume.dtype.itemsize else f"; {kind} would hold them"
        lines.append(f"               largest id {top:,}{fits}")
        lines.append(
            f"voxels of one  {inside[0]:,} to {inside[-1]:,}, median {int(np.median(inside)):,}, "
            f"{int((inside < 100).sum()):,} ids under 100"
        )
        low, middle, high = (int(f(survey.ids_of_section)) for f in (np.min, np.median, np.max))
        lines.append(f"ids a section  {low:,} to {high:,}, median {middle:,}")
    if unknown:
        lines.append(f"unknown        {unknown:.1%} of the voxels are -1: left out of training and of every score")
    if every:
        pairs = zip(survey.ids_of_section, survey.background, strict=True)
        rows = [[str(survey.first + k), f"{count:,}", f"{share:.1%}"] for k, (count, share) in enumerate(pairs)]
        lines += _table([["section", "ids", "background"], *rows])
    return lines


def _finding_lines(findings: Sequence[Finding]) -> list[str]:
    if not findings:
        return ["to look at     no section stands out"]
    lines = [f"to look at     {_sections(findings)}"]
    return lines + [f"  {f.section:>6}  {f.kind}: {f.measured}" for f in findings]


def _sections(findings: Sequence[Finding]) -> str:
    return "1 section" if len(findings) == 1 else f"{len(findings)} sections"


def _limits(survey: GreySurvey) -> tuple[float, float]:
    """Grey values to show as black and white: those of the typical section, so that an odd one looks odd."""
    return float(np.median(survey.column("low"))), float(np.median(survey.column("high")))


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def _stem(path: str) -> str:
    file, _, dataset = path.rpartition(":") if ":" in Path(path).name else (path, "", "")
    stem = Path(file).name.split(".")[0] or "volume"
    return f"{stem}_{dataset.replace('/', '_')}" if dataset else stem


def _times(sizes: Sequence[float], form: str = "g") -> str:
    return " x ".join(format(size, form) for size in sizes)
