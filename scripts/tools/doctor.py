"""`python -m scripts doctor`: check that the installation is complete and works."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from packaging.requirements import Requirement

Verdict = Literal["ok", "note", "broken"]
ROOT = Path(__file__).resolve().parents[2]
LEAST_PYTHON = (3, 11)
LEAST_MEMORY_GIB = 4.0
"""What the demo needs."""
LEAST_DISK_GIB = 2.0
INSTALL = "pip install -c constraints.txt -e ."
NEEDED = ("packaging", "psutil", "torch", "monai", "numpy")
"""What a look at the rest needs."""


@dataclass(frozen=True)
class Finding:
    """One line: a verdict, the subject, what was found, and the remedy where one is needed.

    Attributes:
        verdict: ok; note, for what only some uses need; broken, for what everything needs.
    """

    verdict: Verdict
    subject: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.verdict:<6}  {self.subject:<12}  {self.found}"
        return f"{line}; {self.remedy}" if self.remedy else line


def doctor(out: str = "runs", quick: bool = False) -> None:
    """Look at versions, processor, memory, GPU, optional packages, folders and file formats, and try the parts out.

    Example: python -m scripts doctor

    Every line that is not "ok" has a remedy. The self-test takes under ten seconds: a tiny network learns for a few
    steps, and affinities drawn by hand are decoded and scored. Ends with exit code 1 when something that everything
    needs is broken.

    Args:
        out: a folder that runs will write to.
        quick: leave the self-test out.
    """
    broken = 0
    for finding in findings(Path(out), quick):
        print(finding, flush=True)
        broken += finding.verdict == "broken"
    if broken:
        print(f"\n{broken} broken: fix what is listed above, then run it again")
        raise SystemExit(1)
    print("\nall that everything needs is here and works")


def findings(out: Path, quick: bool = False) -> Iterator[Finding]:
    """One finding after the other, as they are made."""
    yield python_version()
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        yield Finding("broken", "packages", f"without {', '.join(missing)}", INSTALL)
        return
    yield from packages()
    yield memory()
    yield processor()
    yield graphics()
    yield from folders(out)
    try:
        from scripts.tools.self_test import a_decode, a_network_learns, formats
    except ImportError as error:
        yield Finding("broken", "imports", str(error), INSTALL)
        return
    yield tried("formats", INSTALL, formats)
    if not quick:
        yield tried("training", f"{INSTALL}; if it stays, report it with this line", a_network_learns)
        yield tried("decoding", "set NUMBA_CACHE_DIR to a folder of yours; if it stays, report it", a_decode)


def python_version() -> Finding:
    """Python, and the project."""
    import scripts

    found = f"Python {platform.python_version()}, SEM-MAE {scripts.__version__}, {platform.system()}"
    if sys.version_info[:2] < LEAST_PYTHON:
        return Finding("broken", "python", found, "Python 3.11 or newer is needed: make PYTHON=python3.12 test")
    return Finding("ok", "python", found)


def packages(project: Path = ROOT / "pyproject.toml") -> Iterator[Finding]:
    """Versions of what the project needs, beside their lower bounds, and which extras are there."""
    from scripts.checkpoints.environment import made_with

    if not project.is_file():
        yield Finding("note", "packages", f"there is no {project.name}", "run it in a clone to compare versions")
        return
    stated = tomllib.loads(project.read_text())["project"]
    wrong = _unsatisfied(stated["dependencies"])
    if wrong:
        found = ", ".join(f"{line} ({have or 'not there'})" for line, have in wrong.items())
        yield Finding("broken", "packages", found, INSTALL)
    else:
        versions = made_with()
        yield Finding("ok", "packages", ", ".join(f"{name} {versions[name]}" for name in ("torch", "MONAI", "numpy")))
    for extra, wanted in stated.get("optional-dependencies", {}).items():
        absent = [line.name for line in _unsatisfied(wanted)]
        remedy = f"for it: pip install -c constraints.txt -e '.[{extra}]'" if absent else ""
        found = f"without {', '.join(absent)}" if absent else "complete"
        yield Finding("note" if absent else "ok", f"extra {extra}", found, remedy)


def memory() -> Finding:
    """RAM that is free."""
    import psutil

    state = psutil.virtual_memory()
    free, total = state.available / 2**30, state.total / 2**30
    found = f"{free:.1f} GiB of {total:.1f} free"
    if free < LEAST_MEMORY_GIB:
        return Finding("note", "memory", found, f"the demo needs {LEAST_MEMORY_GIB:g}: end other programs")
    return Finding("ok", "memory", found)


def processor() -> Finding:
    """Cores that this process may use, and threads that torch uses."""
    import torch

    from scripts.checkpoints.environment import processor_name, usable_cores

    cores, threads = usable_cores(), torch.get_num_threads()
    found = f"{processor_name()}, {cores} cores, {threads} threads, {torch.backends.cpu.get_cpu_capability()}"
    if threads > cores:
        return Finding("note", "processor", found, f"more threads than cores are slow: OMP_NUM_THREADS={cores}")
    if threads < cores and "OMP_NUM_THREADS" in os.environ:
        return Finding("ok", "processor", f"{found} (OMP_NUM_THREADS={os.environ['OMP_NUM_THREADS']})")
    return Finding("ok", "processor", found)


def graphics() -> Finding:
    """GPUs that torch can use."""
    import torch

    from scripts.checkpoints.environment import gpus

    found = gpus()
    if not found:
        why = "torch is built without CUDA" if torch.version.cuda is None else "torch sees no device"
        return Finding("note", "gpu", f"none ({why})", "presets small and demo train on a CPU; else see pytorch.org")
    bf16 = "" if torch.cuda.is_bf16_supported() else "; no bf16: --precision fp32"
    return Finding("ok", "gpu", "; ".join(found) + bf16)


def folders(out: Path) -> Iterator[Finding]:
    """Can runs, data and caches be written?"""
    from scripts.data.datasets.manifest import data_folder
    from scripts.data.synthetic.store import CACHE_VARIABLE

    cache = Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "sem_mae")
    yield writable("runs", out, "broken", "give another folder with --output_dir or --out")
    yield writable("cache", cache, "broken", f"set {CACHE_VARIABLE} to a folder of yours")
    yield writable("data", data_folder("any").parent, "note", "set SEM_DATA_HOME to a folder of yours")


def writable(subject: str, folder: Path, otherwise: Verdict, remedy: str) -> Finding:
    """Write a file in a folder, or in the nearest one above it that there is, and take it away again."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there) as file:
            file.write(b"x")
    except OSError as error:
        return Finding(otherwise, subject, f"{folder} cannot be written ({error.strerror})", remedy)
    free = shutil.disk_usage(there).free / 2**30
    if free < LEAST_DISK_GIB:
        return Finding("note", subject, f"{folder} has {free:.1f} GiB free", f"make space, or {remedy}")
    return Finding("ok", subject, f"{folder} can be written, {free:.0f} GiB free")


def tried(subject: str, remedy: str, trial: Callable[[], str]) -> Finding:
    """Run a part of the self-test; whatever goes wrong in it is what is looked for."""
    begin = time.perf_counter()
    try:
        found = trial()
    except Exception as error:
        words = str(error).splitlines()[0] if str(error) else "no message"
        return Finding("broken", subject, f"{type(error).__name__}: {words}", remedy)
    return Finding("ok", subject, f"{found}, {time.perf_counter() - begin:.1f} s")


def _unsatisfied(lines: Sequence[str]) -> "dict[Requirement, str | None]":
    """Those of the requirements that apply to this machine and are not met, with the version that is there."""
    from packaging.requirements import Requirement

    found = {}
    for line in map(Requirement, lines):
        try:
            have = importlib.metadata.version(line.name)
        except importlib.metadata.PackageNotFoundError:
            have = None
        if line.marker is not None and not line.marker.evaluate():
            continue
        if have is None or not line.specifier.contains(have, prereleases=True):
            found[line] = have
    return found
