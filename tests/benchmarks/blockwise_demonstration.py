"""One volume of 1.5 Gvoxel decoded with three block shapes, by one process and two workers, killed twice: equal bytes.

python -m tests.benchmarks.blockwise_demonstration --map maps.zarr --folder FOLDER [--copies 8,3,3]

The map: (3, z, y, x) affinities in uint8, mirrored so many times along z, y and x into FOLDER. The same command resumes
where it was stopped. FOLDER takes about 6 bytes a voxel; 8 x 3 x 3 times 20 x 1024 x 1024 voxels are 1.51 Gvoxel and
take some 20 minutes of CPU time.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import zarr

from tests.benchmarks.bench_blockwise import MEASURE, source, write_mirrored
from tests.benchmarks.side_by_side import hardware, print_table

DECODER = ["--decoder=agglomeration", "--threshold=0.6"]


@dataclass(frozen=True)
class Decode:
    """One of the runs that are compared.

    Attributes:
        blocks, workers: options of `decode`.
        kills: after how many files of blocks, of whatever step, the command and its workers are killed, each time.
    """

    blocks: str
    workers: int
    kills: tuple[int, ...] = ()


RUNS = {
    "one": Decode("64,512,512", 1),
    "again": Decode("64,512,512", 2),
    "two": Decode("96,384,512", 2, (60, 200)),
    "three": Decode("32,768,768", 2),
}


def main() -> None:
    """Write the maps, run what has no result yet, and print the table."""
    words = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    folder = Path(words["--folder"])
    folder.mkdir(parents=True, exist_ok=True)
    print(hardware())
    pred = folder / "maps.zarr"
    if not (folder / "maps.done").exists():
        copies = tuple(map(int, words.get("--copies", "8,3,3").split(",")))
        if pred.exists():
            shutil.rmtree(pred)
        write_mirrored(source(words["--map"]), pred, copies)
        (folder / "maps.done").touch()
    shape = zarr.open_array(str(pred), mode="r").shape[1:]
    rows = []
    for name, decode in RUNS.items():
        noted = folder / f"{name}.json"
        if not noted.exists():
            noted.write_text(json.dumps(measured(pred, folder / f"{name}.zarr", decode)))
        found = json.loads(noted.read_text())
        rows.append((decode.blocks, decode.workers, len(decode.kills), *found.values()))
    head = ("blocks", "workers", "kills", "s", "CPU s", "instances", "SHA-256")
    print_table(f"decode {' x '.join(map(str, shape))} voxels", head, rows)
    equal = len({row[-1] for row in rows}) == 1
    print("\nall results are equal" if equal else "\nRESULTS DIFFER")
    raise SystemExit(not equal)


def measured(pred: Path, out: Path, decode: Decode) -> dict[str, object]:
    """Seconds and result of a run, with its kills; those of the command that completes it are counted."""
    command = [sys.executable, "-m", "scripts", "decode", str(pred), *DECODER, f"--out={out}", "--resume"]
    command += [f"--blocks={decode.blocks}", f"--workers={decode.workers}"]
    if out.exists():
        raise SystemExit(f"'{out}' is complete, but its seconds were not noted; remove it")
    for files in decode.kills:
        killed(command, out.with_name(f"{out.name}.partial"), files)
    done = subprocess.run([sys.executable, "-c", MEASURE, *command], check=True, capture_output=True, text=True)
    seconds, cpu, _ = map(float, done.stdout.split())
    return {"s": seconds, "cpu": cpu, "instances": instances(out), "sha": content(out)}


def killed(command: list[str], partial: Path, files: int) -> None:
    """Run a command and kill it, with its workers, when so many blocks of any step are done."""
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while run.poll() is None and len(list(partial.rglob("*.arrays"))) < files:
        time.sleep(0.2)
    if run.poll() is not None:
        raise SystemExit(f"the run ended (exit code {run.returncode}) before {files} files: nothing was killed")
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def instances(out: Path) -> int:
    """The largest id."""
    labels = zarr.open_array(out / "labels", mode="r")
    return max(int(labels[z : z + 32].max()) for z in range(0, labels.shape[0], 32))


def content(store: Path) -> str:
    """SHA-256 of all chunk files of a folder, by name."""
    found = hashlib.sha256()
    for file in sorted(path for path in store.rglob("*") if path.is_file()):
        found.update(str(file.relative_to(store)).encode() + file.read_bytes())
    return found.hexdigest()[:16]


if __name__ == "__main__":
    main()
