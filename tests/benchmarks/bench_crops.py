"""What a training sample costs, beside MONAI's own chain, and how long a training step waits for its data.

python -m tests.benchmarks.bench_crops [my.h5:raw my.h5:labels]

With a labelled volume only the crops of that one are timed, with and without room for all of its chunks.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import h5py
import numpy as np
import torch
import zarr
from monai.data import MetaTensor, set_track_meta
from monai.transforms import Compose, RandFlipd, RandRotate90d, RandSpatialCropd, ScaleIntensityRanged
from scipy.ndimage import gaussian_filter

from scripts.data import CropDataset, GlobalBatchSampler, LoaderBatches, Volume, open_volume
from scripts.data.regions.chunk_memory import chunk_bytes
from scripts.data.regions.region import Region
from scripts.data.sampling.device_crops import DeviceBatches
from scripts.data.sampling.loader_batches import worker_loader
from scripts.data.sampling.prefetch import prefetched
from scripts.data.volumes import ArrayVolume
from scripts.losses import HiddenTokenLoss
from scripts.networks import Encoder, MaskedAutoencoder
from scripts.ops.box import Box
from scripts.transforms import RandSymmetryd, RandTokenMaskd, ScaleGreyd
from tests.benchmarks.side_by_side import fastest_seconds, hardware, print_table

SHAPE = (64, 768, 768)  # 36 MiB: warm means that the chunk cache holds the decoded volume
SIZE = (6, 96, 96)
CHUNKS = (8, 128, 128)
SAMPLES = 100  # timed in one go
BATCH = 128
GPU_SAMPLES_PER_SECOND = 10_000


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    print(hardware())
    if len(sys.argv) > 1:
        return labelled_crops(*sys.argv[1:])
    grey = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    voxels = (128 + 900 * gaussian_filter(grey, (0, 3, 3))).clip(0, 255).astype(np.uint8)
    with tempfile.TemporaryDirectory() as folder:
        cost_of_a_sample(voxels, Path(folder))
    rates(voxels)
    waiting_on_cpu(voxels)
    waiting_at_gpu_speed(voxels)


def crops(volume: Volume) -> CropDataset:
    """The chain of pre-training on one volume."""
    chain = Compose([RandSymmetryd("image"), ScaleGreyd("image"), RandTokenMaskd((6, 6, 6), 0.9)])
    return CropDataset([Region(volume, Box.whole(volume.shape))], SIZE, transform=chain)


def written(voxels: np.ndarray, folder: Path) -> dict[str, str]:
    """The volume in every format that is timed, named as in the table."""
    np.save(folder / "volume.npy", voxels)
    with h5py.File(folder / "volume.h5", "w") as file:
        file["raw"] = voxels
        file.create_dataset("gzip", data=voxels, chunks=CHUNKS, compression="gzip", compression_opts=1)
    array = zarr.create_array(folder / "volume.zarr", shape=voxels.shape, chunks=CHUNKS, dtype=voxels.dtype)
    array[:] = voxels
    return {
        ".npy": str(folder / "volume.npy"),
        "HDF5, contiguous": f"{folder}/volume.h5:raw",
        f"HDF5, gzip chunks {CHUNKS}, warm": f"{folder}/volume.h5:gzip",
        f"Zarr 3, zstd chunks {CHUNKS}, warm": str(folder / "volume.zarr"),
    }


def ours(volume: Volume) -> Callable[[], None]:
    """A call that makes the next `SAMPLES` samples."""
    dataset, upcoming = crops(volume), iter(range(10**9))

    def take() -> None:
        for _ in range(SAMPLES):
            dataset[next(upcoming)]

    for _ in range(5):  # warm: enough crops to touch every chunk
        take()
    return take


def monai_chain(voxels: np.ndarray, tracked: bool) -> Callable[[], None]:
    """The same with MONAI's transforms on an array in memory; it has no token mask, so that step is left out."""
    chain = Compose(
        [
            RandSpatialCropd("image", SIZE, random_size=False),
            ScaleIntensityRanged("image", 0, 255, -1, 1),
            *(RandFlipd("image", prob=0.5, spatial_axis=axis) for axis in range(3)),
            RandRotate90d("image", prob=0.5, max_k=1, spatial_axes=(1, 2)),
        ]
    )
    tensor = torch.from_numpy(voxels)[None]

    def take() -> None:
        set_track_meta(tracked)
        for _ in range(SAMPLES):
            chain({"image": MetaTensor(tensor) if tracked else tensor})
        set_track_meta(True)

    return take


def cost_of_a_sample(voxels: np.ndarray, folder: Path) -> None:
    """One core, crop to finished sample."""
    contenders = {
        "MONAI, array in memory, untracked": monai_chain(voxels, tracked=False),
        "MONAI, array in memory, tracked": monai_chain(voxels, tracked=True),
        "ours, array in memory": ours(ArrayVolume(voxels)),
    }
    contenders |= {f"ours, {name}": ours(open_volume(path)) for name, path in written(voxels, folder).items()}
    seconds = fastest_seconds(contenders)
    milliseconds = {name: 1000 * value / SAMPLES for name, value in seconds.items()}
    plain = milliseconds["ours, .npy"]
    peer = milliseconds["MONAI, array in memory, untracked"]
    rows = [(name, value, peer / value, value / plain) for name, value in milliseconds.items()]
    print_table(
        f"One sample of {SIZE}: read, scaled, flipped, turned, masked (ours alone), on one core",
        ("", "ms", "speed to MONAI untracked", "time to our .npy"),
        rows,
    )


def labelled_crops(image: str, labels: str) -> None:
    """CPU time of a crop with its labels, read alone: the chunk cache of 128 MiB, then the share of the free memory."""
    volume, truth = open_volume(image), open_volume(labels)
    dataset = CropDataset([Region(volume, Box.whole(volume.shape), truth)], (6, 160, 160))
    needed, share, upcoming = chunk_bytes(dataset.regions) / 2**20, dataset.cache_mib, iter(range(10**9))
    rows = []
    for budget in (128.0, share):
        dataset.cache_mib = budget
        for _ in range(10 * SAMPLES):  # warm: fill the cache
            dataset[next(upcoming)]
        begin = time.process_time()
        for _ in range(5 * SAMPLES):
            dataset[next(upcoming)]
        rows.append((budget, 1000 * (time.process_time() - begin) / (5 * SAMPLES)))
    title = f"A crop of (6, 160, 160) with labels, read only; all chunks are {needed:.0f} MiB"
    print_table(title, ("MiB of chunks kept", "ms of CPU"), rows)
    print(f"ratio {rows[0][1] / rows[1][1]:.2f}")


def per_second(batches: Iterable[object], samples: int) -> float:
    """Samples a second from the second batch on, so that starting workers does not count."""
    steps = iter(batches)
    next(steps)
    begin = time.perf_counter()
    left = sum(1 for _ in steps)
    return left * samples / (time.perf_counter() - begin)


def rates(voxels: np.ndarray) -> None:
    """Samples a second that come out, with nothing taking them."""
    dataset = crops(ArrayVolume(voxels))
    plans, count = dataset.unread(), 2000
    seconds = fastest_seconds({"plans": lambda: [plans[i] for i in range(count)]}, repeats=3)["plans"]
    rows: list[tuple[str, float]] = [("plans (corner, symmetry, mask), one core", count / seconds)]
    device = accelerator()
    order = GlobalBatchSampler(BATCH, iterations=25)
    for workers in sorted({0, 1, workers_here()}):
        rows.append((f"loader, {workers} workers", per_second(LoaderBatches(dataset, order, workers), BATCH)))
        rate = per_second(DeviceBatches(dataset, order, workers, device), BATCH)
        rows.append((f"device-resident on {device}, {workers} workers", rate))
    print_table(f"Batches of {BATCH}, volume in memory", ("", "samples/s"), rows)


def waiting(batches: Iterable[dict], step: Callable[[dict], None], skip: int) -> tuple[float, float]:
    """Share of the time in which steps wait for data, and seconds a step, after `skip` steps."""
    waited = total = 0.0
    steps, done = iter(batches), 0
    while True:
        begin = time.perf_counter()
        batch = next(steps, None)
        if batch is None:
            return waited / total, total / (done - skip)
        arrived = time.perf_counter()
        step(batch)
        done += 1
        if done > skip:
            waited += arrived - begin
            total += time.perf_counter() - begin


def waiting_on_cpu(voxels: np.ndarray) -> None:
    """A training step of a small network on one core, its data from the loader."""
    network = MaskedAutoencoder(
        Encoder(width=192, depth=4, heads=3), decoder_width=96, decoder_depth=2, decoder_heads=3
    )
    loss, optimizer = HiddenTokenLoss(), torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step(batch: dict) -> None:
        loss(network(batch["image"], batch["kept"]), (batch["image"], batch["mask"])).backward()
        optimizer.step()
        optimizer.zero_grad()

    rows = []
    for workers in sorted({1, workers_here()}):
        batches = LoaderBatches(crops(ArrayVolume(voxels)), GlobalBatchSampler(32, iterations=25), workers)
        share, seconds = waiting(batches, step, skip=5)
        rows.append((workers, 1000 * seconds, f"{100 * share:.2f} %"))
    title = "Waiting for the loader, small network (192 x 4, decoder 96 x 2), batch 32, on CPU"
    print_table(title, ("workers", "ms a step", "of it waiting"), rows)


def waiting_at_gpu_speed(voxels: np.ndarray) -> None:
    """A stand-in for a GPU that takes 10,000 samples a second, its data from the device-resident sampler.

    Where there is no GPU to gather on, the processor's share alone: the plans, from workers to the training.
    """
    device, pause = accelerator(), BATCH / GPU_SAMPLES_PER_SECOND
    dataset, order = crops(ArrayVolume(voxels)), GlobalBatchSampler(BATCH, iterations=120)
    rows = []
    for workers in sorted({1, workers_here()}):
        batches: Iterable[dict] = DeviceBatches(dataset, order, workers, device)
        if device.type == "cpu":
            batches = prefetched(worker_loader(dataset.unread(), order, workers, device), 2, device)
        share, seconds = waiting(batches, lambda batch: time.sleep(pause), skip=20)
        rows.append((workers, 1000 * seconds, f"{100 * share:.2f} %"))
    what = (
        "plans of the device-resident sampler (no GPU to gather on)"
        if device.type == "cpu"
        else "device-resident sampler"
    )
    title = f"Waiting for the {what} at {GPU_SAMPLES_PER_SECOND} samples/s, batch {BATCH}"
    print_table(title, ("workers", "ms a step", "of it waiting"), rows)


def accelerator() -> torch.device:
    """Where batches are gathered."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def workers_here() -> int:
    """Worker processes that this machine has cores for, at most 8."""
    return min(8, max(1, (os.cpu_count() or 2) - 1))


if __name__ == "__main__":
    main()
