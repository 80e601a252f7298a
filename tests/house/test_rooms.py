"""The house stands as drawn: imports go one way, each file says what it is for."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "ops": set(),
    "networks": {"ops"},
    "losses": {"ops", "networks"},
    "data": {"ops", "networks", "losses"},
    "transforms": {"ops", "networks", "losses"},
    "metrics": {"ops", "networks", "losses", "data", "transforms"},
    "handlers": {"ops", "networks", "losses", "data", "transforms", "metrics"},
    "tools": {"ops", "networks", "losses", "data", "transforms", "metrics", "handlers"},
}
"""Room -> the rooms whose files it may import besides its own."""

FILES = sorted((ROOT / "scripts").rglob("*.py"))
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "tools_misc"}


def imported_rooms(path: Path) -> set[str]:
    """Rooms of `scripts` named in any import statement of a file, also inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; write the full module path"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {parts[1] for parts in (name.split(".") for name in names) if parts[0] == "scripts" and len(parts) > 1}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_rooms_before_its_own(path):
    inside = path.relative_to(ROOT / "scripts").parts
    if len(inside) == 1:  # scripts/__init__.py and __main__.py stand at the door
        return
    room = inside[0]
    strangers = (imported_rooms(path) & set(ALLOWED)) - ALLOWED[room] - {room}
    assert not strangers, (
        f"{path.relative_to(ROOT)} imports {sorted(strangers)}; {room} may import {sorted(ALLOWED[room])}"
    )


def test_the_reader_of_imports_sees_every_form(tmp_path):
    source = (
        "import scripts.data.crops\nfrom scripts import ops\ndef f():\n    from scripts.handlers.progress import Bar\n"
    )
    (tmp_path / "file.py").write_text(source)
    assert imported_rooms(tmp_path / "file.py") == {"data", "ops", "handlers"}


def test_every_room_is_known():
    rooms = {path.name for path in (ROOT / "scripts").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms == set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_says_what_it_is_for_and_has_a_name(path):
    assert ast.get_docstring(ast.parse(path.read_text())), (
        f"{path.relative_to(ROOT)} has no first line that says what it is for"
    )
    assert path.stem not in VAGUE, f"{path.relative_to(ROOT)}: name a file by what it holds"


def test_the_top_level_is_as_drawn():
    expected = {"bundles", "scripts", "tests", "docs", "data_manifests", "pyproject.toml", "README.md", "Makefile"}
    expected |= {"constraints.txt", "CHANGELOG.md", "LICENSE", ".ci", ".pre-commit-config.yaml", ".gitignore"}
    assert expected <= {path.name for path in ROOT.iterdir()}


def test_every_dependency_is_pinned_and_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["test"],
        *project["optional-dependencies"]["lint"],
    ]
    names = {re.split(r"[<>=\[ ]", line)[0].lower() for line in wanted}
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    reasons = (ROOT / "docs" / "decisions" / "dependencies.md").read_text().lower()
    assert names <= pinned
    assert [name for name in sorted(names) if f"`{name}`" not in reasons] == []
