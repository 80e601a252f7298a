"""Large blocks are served from memory that the process has already, where the C library is glibc."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource, numpy
from scripts.engines.freed_memory import keep_freed_memory
print(keep_freed_memory({enabled}))
numpy.ones(2**22, dtype=numpy.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    numpy.ones(2**22, dtype=numpy.float32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(enabled: bool) -> tuple[str, int]:
    """What the function returned, and the page faults of 20 arrays of 16 MiB."""
    words = [sys.executable, "-c", PROGRAM.format(enabled=enabled)]
    effect, faults = subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    return effect, int(faults)


def test_switched_off_it_changes_nothing_and_is_reported():
    assert run(enabled=False)[0] == "False"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
def test_freed_blocks_are_used_again_without_page_faults():
    effect, faults = run(enabled=True)
    assert effect == "True"
    assert faults < 1000


THREADS = """
import pathlib, threading
from scripts.engines.freed_memory import return_freed_memory
def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096
def work():
    kept = [bytearray(100_000) for _ in range(1000)]
    last = bytearray(100_000)  # beyond the others, so that they are not returned by themselves
    del kept
    ends.append(last)
ends = []
thread = threading.Thread(target=work)
thread.start()
thread.join()
before = resident()
return_freed_memory()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has malloc_trim")
def test_what_another_thread_freed_is_returned_to_the_system():
    found = subprocess.run([sys.executable, "-c", THREADS], check=True, capture_output=True, text=True).stdout
    assert int(found) > 50_000_000
