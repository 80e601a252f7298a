"""Work that does not fit into memory is refused before it starts, with what would fit."""

import re

import pytest

from scripts.data.free_memory import free_memory
from scripts.engines.memory_check import check_memory


def box(z, y, x):
    return f"--box 0:{z},0:{y},0:{x}"


def test_a_box_that_fits_passes_and_a_larger_one_names_needed_free_and_fitting():
    free = free_memory()
    check_memory("decode", (4, 64, 64), 45, box)
    per_section = 45 * 1024 * 1024
    sections = 4 * free // per_section
    with pytest.raises(MemoryError, match=r"decode: \d+ x 1024 x 1024 voxels need about [\d.]+ GiB") as refusal:
        check_memory("decode", (sections, 1024, 1024), 45, box)
    needed, available = map(float, re.findall(r"([\d.]+) GiB", str(refusal.value)))
    assert needed > 3 * available
    fitting = int(re.search(r"--box 0:(\d+),0:1024,0:1024", str(refusal.value)).group(1))
    assert 0 < fitting < sections
    check_memory("decode", (fitting * 9 // 10, 1024, 1024), 45, box)


def test_several_processes_need_as_many_times_the_memory():
    free = free_memory()
    shape = (1, 1, free // 4)
    check_memory("tune", shape, 1, copies=2)
    with pytest.raises(MemoryError, match="8 at a time"):
        check_memory("tune", shape, 1, copies=8)


def test_a_section_that_does_not_fit_is_named_so():
    with pytest.raises(MemoryError, match=r"not even one section fits; \d+ x \d+ voxels of one do"):
        check_memory("synthesize", (1, 10**6, 10**6), 15)
