"""The examples in the docstrings of networks, losses, transforms, metrics, inferers and samplers run as printed."""

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("networks", "losses", "transforms", "metrics", "inferers", "data/sampling")
FILES = [path for package in PACKAGES for path in sorted((ROOT / "scripts" / package).rglob("*.py"))]
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in FILES if ">>> " in path.read_text()]


@pytest.mark.parametrize("module", MODULES)
def test_an_example_gives_what_it_shows(module):
    results = doctest.testmod(importlib.import_module(module))
    assert results.attempted > 0
    assert results.failed == 0
