"""Where `decode` spends its time: wall and CPU seconds of each step and process, by one process and by workers.

python -m tests.benchmarks.blockwise_timeline --pred maps.zarr [--workers 0,1,2] [--decoder agglomeration]
    [--blocks 64,512,512]

0 workers: one process without dask. Steps and processes are read from outside, ten times a second: what is done from
the files of the unfinished run, CPU seconds from the system. A process that ends between two readings keeps its last.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from tests.benchmarks.bench_blockwise import SETTINGS
from tests.benchmarks.side_by_side import hardware, print_table

SECONDS = 0.1
STEPS = ("basins", "links", "borders", "fragment_borders", "written")
"""Folders of the results of blocks, in the order of the steps."""


def main() -> None:
    """Print a table for each number of workers."""
    words = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    decoder = words.get("--decoder", "agglomeration")
    print(hardware())
    for workers in map(int, words.get("--workers", "0,1,2").split(",")):
        command = [sys.executable, "-m", "scripts", "decode", words["--pred"], f"--decoder={decoder}", "--overwrite"]
        command += [f"--{name}={value}" for name, value in SETTINGS[decoder].items()]
        command += [f"--blocks={words.get('--blocks', '64,512,512')}", *([f"--workers={workers}"] if workers else [])]
        with tempfile.TemporaryDirectory(dir=words.get("--folder")) as folder:
            print_timeline(f"{workers} workers" if workers else "one process", command, Path(folder) / "out.zarr")


def print_timeline(title: str, command: Sequence[str], out: Path) -> None:
    """Run a command and print the seconds of its steps: wall, and CPU of each of its processes."""
    readings = []
    begin = time.perf_counter()
    run = subprocess.Popen([*command, f"--out={out}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    used: dict[int, float] = {}
    step = "start"
    while run.poll() is None:
        step = step_of(out, step)
        used = {**used, **cpu_seconds(run.pid)}
        readings.append((time.perf_counter() - begin, step, used))
        time.sleep(SECONDS)
    readings.append((time.perf_counter() - begin, step, used))
    rows = []
    before, spent = 0.0, dict.fromkeys(used, 0.0)
    for name in dict.fromkeys(name for _, name, _ in readings):
        wall, _, now = next(reading for reading in reversed(readings) if reading[1] == name)
        each = [now.get(process, 0.0) - spent[process] for process in used]
        rows.append((name, wall - before, sum(each), *each))
        before, spent = wall, {process: now.get(process, 0.0) for process in used}
    rows.append(("all", before, sum(used.values()), *used.values()))
    processes = [f"process {n}" for n in range(1, len(used) + 1)]
    print_table(f"{title}, exit code {run.returncode}", ("until the end of", "s", "CPU s", *processes), rows)


def step_of(out: Path, last: str) -> str:
    """The step whose blocks are in work."""
    if out.exists():
        return "end"
    found = [step for step in STEPS if (out.with_name(f"{out.name}.partial") / step).exists()]
    return found[-1] if found else last


def cpu_seconds(pid: int) -> dict[int, float]:
    """Process id -> CPU seconds, of a process and those that it started."""
    found = {}
    try:
        first = psutil.Process(pid)
        for process in (first, *first.children(recursive=True)):
            times = process.cpu_times()
            found[process.pid] = times.user + times.system
    except psutil.NoSuchProcess:
        pass
    return found


if __name__ == "__main__":
    main()
