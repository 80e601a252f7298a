"""Workers are forked from a process that has imported what they need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.engines.fork_server import ONE_THREAD
from scripts.tools.cli import _has_workers

PRINT_WHAT_IS_FORKED = """
import os, multiprocessing, psutil
from scripts.blockwise import DECODING
from scripts.engines.fork_server import start_fork_server
if __name__ == "__main__":
    assert start_fork_server(DECODING)
    with multiprocessing.get_context("forkserver").Pool(1) as pool:
        loaded = pool.apply(eval, (f"[name in __import__('sys').modules for name in {DECODING}]",))
        threads = psutil.Process(pool.apply(os.getppid)).num_threads()
        interrupted = pool.apply(eval, ("__import__('signal').getsignal(2).name",))
        variable = pool.apply(os.getenv, ("OMP_NUM_THREADS",))
        print(all(loaded), threads, interrupted, variable, os.getenv("OMP_NUM_THREADS"))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_workers_find_decoding_imported_ignore_an_interrupt_and_have_one_thread():
    environment = {name: value for name, value in os.environ.items() if name not in ONE_THREAD}
    found = subprocess.run(
        [sys.executable, "-c", PRINT_WHAT_IS_FORKED],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
        cwd=Path(__file__).parents[2],
    )
    assert found.stdout.split() == ["True", "1", "SIG_IGN", "1", "None"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["decode", "x", "--workers=2"], True),
        (["decode", "x", "--workers", "12"], True),
        (["decode", "x", "--workers", "1"], False),
        (["decode", "x", "--workers=two"], False),
        (["decode", "x", "--workers"], False),
        (["decode", "--workers.zarr", "2"], False),
    ],
)
def test_processes_are_forked_for_two_workers_or_more(words, expected):
    assert _has_workers(words) == expected
