"""Two processes never write one output; a lock that its process left behind is named and removed."""

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from scripts.data.files.output_lock import OutputLock

HOLDER = """
import fcntl, json, os, socket, sys, time
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(file, fcntl.LOCK_EX)
os.pwrite(file, json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": "noon"}).encode(), 0)
print("locked", flush=True)
time.sleep(60)
"""


def test_the_output_of_another_process_is_refused_with_its_host_id_and_start(tmp_path):
    file = tmp_path / ".maps.zarr.lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(file)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "locked\n"
        expected = f"'maps.zarr' is being written by process {holder.pid} on host {socket.gethostname()} since noon"
        with pytest.raises(BlockingIOError, match=expected):
            OutputLock(file, "maps.zarr")
        holder.send_signal(signal.SIGKILL)
    assert json.loads(file.read_text())["pid"] == holder.pid  # a kill leaves the file, but not the lock
    OutputLock(file, "maps.zarr").release()
    assert not file.exists()


def test_a_lock_left_behind_is_named(tmp_path, caplog):
    file = tmp_path / ".out.lock"
    file.write_text(json.dumps({"host": socket.gethostname(), "pid": 4_000_000}))
    with caplog.at_level("INFO", "scripts"):
        lock = OutputLock(file, "out")
    assert "of process 4000000" in caplog.text
    assert json.loads(file.read_text())["pid"] == os.getpid()
    lock.release()


def test_a_lock_of_another_host_is_respected_until_it_has_not_been_touched_for_two_minutes(tmp_path):
    file = tmp_path / ".out.lock"
    file.write_text(json.dumps({"host": "elsewhere", "pid": 7}))
    with pytest.raises(BlockingIOError, match=r"process 7 on host elsewhere.*try again in \d+ s"):
        OutputLock(file, "out")
    os.utime(file, (time.time() - 200,) * 2)
    OutputLock(file, "out").release()


def test_two_users_in_one_process_share_the_lock_and_the_last_one_drops_it(tmp_path):
    file = tmp_path / ".out.lock"
    first, second = OutputLock(file, "out"), OutputLock(file, "out")
    first.release()
    first.release()
    assert _locked_for_others(file)
    second.release()
    assert not file.exists()


def test_a_lock_ends_with_its_object(tmp_path):
    lock = OutputLock(tmp_path / ".out.lock", "out")
    del lock
    assert not (tmp_path / ".out.lock").exists()


def _locked_for_others(file):
    child = os.fork()
    if child == 0:
        try:
            fcntl.lockf(os.open(file, os.O_RDWR), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0
