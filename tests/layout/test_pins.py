"""The pinned versions install on every supported version of Python."""

import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[2]
PINS = [
    line.split("==")[0].strip()
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if "==" in line and not line.startswith("#")
]
LEAST = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["requires-python"].lstrip(">=")


@pytest.mark.parametrize("name", PINS)
def test_a_pinned_package_takes_the_oldest_python_that_is_promised(name):
    try:
        wanted = metadata(name).get("Requires-Python")
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed here")
    assert wanted is None or SpecifierSet(wanted).contains(f"{LEAST}.0"), f"{name} needs Python {wanted}"
