"""Describe the environment of a run: versions and hardware, for checkpoints, reports and the doctor."""

import os
import platform
from pathlib import Path

import psutil
from monai.config import get_config_values, get_gpu_info

import scripts


def made_with() -> dict[str, str]:
    """Return the versions of the packages that results depend on, and under "machine" the hardware."""
    versions = get_config_values()
    return {
        "SEM-MAE": scripts.__version__,
        "Python": platform.python_version(),
        "torch": str(versions["Pytorch"]),
        "MONAI": versions["MONAI"],
        "numpy": versions["Numpy"],
        "machine": hardware(),
    }


def hardware() -> str:
    """Return `Intel Xeon, 2 cores, 24 GiB memory, no GPU`."""
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB memory"
    return ", ".join([processor_name(), f"{psutil.cpu_count()} cores", memory, *(gpus() or ["no GPU"])])


def gpus() -> list[str]:
    """Return `NVIDIA A100-SXM4-80GB, 79 GiB` for each GPU that torch can use."""
    found = get_gpu_info()
    return [
        f"{found[f'GPU {k} Name']}, {found[f'GPU {k} Total memory (GB)']:.0f} GiB" for k in range(found["Num GPUs"])
    ]


def processor_name() -> str:
    """Return the model, which on Linux only /proc/cpuinfo has: there `platform.processor()` is mostly empty."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return model or platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many cores this process may use."""
    process = psutil.Process()  # macOS cannot pin a process to cores
    return len(process.cpu_affinity()) if hasattr(process, "cpu_affinity") else os.cpu_count() or 1
