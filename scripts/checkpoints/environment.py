"""Describe the environment of a run: versions and hardware."""

import os
import platform
from pathlib import Path

import monai
import numpy
import psutil
import torch

import scripts


def made_with() -> dict[str, str]:
    """Return the versions of the packages that results depend on, and under "machine" the hardware."""
    return {
        "SEM-MAE": scripts.__version__,
        "Python": platform.python_version(),
        "torch": str(torch.__version__),
        "MONAI": monai.__version__,
        "numpy": numpy.__version__,
        "machine": hardware(),
    }


def hardware() -> str:
    """Return `Intel Xeon, 2 cores, 24 GiB memory, no GPU`."""
    gpus = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    memory = f"{psutil.virtual_memory().total / 2**30:.0f} GiB memory"
    return ", ".join([_processor(), f"{os.cpu_count()} cores", memory, *(gpus or ["no GPU"])])


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
