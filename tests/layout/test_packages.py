"""The layout: imports point one way, packages are small, handlers attach, ops are pure."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEVELS = (
    {"ops"},
    {"networks"},
    {"losses", "optimizers"},
    {"data"},
    {"transforms"},
    {"metrics"},
    {"engines"},
    {"inferers", "checkpoints", "visualize"},
    {"handlers"},
    {"blockwise"},
    {"workflow"},
    {"tools"},
)
"""Packages from left to right: a file imports from its own package and from those of earlier levels."""
SEPARATE = {("transforms", "data")}
"""(package, earlier package) that do not import each other all the same."""
LARGEST_PACKAGE = 25
VAGUE = {"utils", "util", "helpers", "helper", "common", "misc", "tools_misc"}
TOP_LEVEL = {
    *("bundles", "scripts", "tests", "docs", "data_manifests"),
    *("pyproject.toml", "README.md", "Makefile", "constraints.txt", "CHANGELOG.md", "LICENSE", "mkdocs.yml"),
    *(".ci", ".pre-commit-config.yaml", ".gitignore"),
}
FORBIDDEN_IN_OPS = {
    *("h5py", "zarr", "tifffile", "nibabel", "matplotlib", "PIL", "subprocess", "multiprocessing", "pathlib"),
    *("shutil", "tempfile", "logging"),
}
"""Modules that open files, start processes or draw."""

FILES = sorted((ROOT / "scripts").rglob("*.py"))
PACKAGES = sorted({path.parent for path in FILES} - {ROOT / "scripts"})


def relative(path: Path) -> str:
    """A path as it is read in a test's name."""
    return str(path.relative_to(ROOT))


def imported(source: str) -> set[str]:
    """Dotted names in any import statement of a file, also inside functions; `from a import b` as `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: relative import; write the full module path"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def imported_packages(source: str) -> set[str]:
    """Packages of `scripts` that a file imports from."""
    parts = (name.split(".") for name in imported(source))
    return {name[1] for name in parts if name[0] == "scripts" and len(name) > 1}


def level(package: str) -> int:
    """Place of a package from left to right."""
    return next(number for number, names in enumerate(LEVELS) if package in names)


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_imports_only_packages_of_earlier_levels(path):
    inside = path.relative_to(ROOT / "scripts").parts
    if len(inside) == 1:  # scripts/__init__.py and __main__.py
        return
    package = inside[0]
    known = set().union(*LEVELS)
    others = (imported_packages(path.read_text()) & known) - {package}
    wrong = {other for other in others if level(other) >= level(package) or (package, other) in SEPARATE}
    assert not wrong, f"{relative(path)} imports {sorted(wrong)}, which {package} may not"


def test_the_reader_of_imports_finds_every_form():
    source = """import scripts.data.sampling.crops
from scripts import ops
def f():
    from scripts.handlers.sinks import Bar
"""
    assert imported_packages(source) == {"data", "ops", "handlers"}


def test_every_package_has_a_level():
    found = {path.name for path in (ROOT / "scripts").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert found <= set().union(*LEVELS)


@pytest.mark.parametrize("path", PACKAGES, ids=relative)
def test_a_package_has_few_modules(path):
    modules = [file for file in path.glob("*.py") if file.name != "__init__.py"]
    assert len(modules) <= LARGEST_PACKAGE


@pytest.mark.parametrize("path", sorted((ROOT / "scripts" / "ops").rglob("*.py")), ids=relative)
def test_ops_open_no_file_start_no_process_and_draw_nothing(path):
    found = {name.split(".")[0] for name in imported(path.read_text())} & FORBIDDEN_IN_OPS
    calls = {node.func.id for node in ast.walk(ast.parse(path.read_text())) if _calls_a_name(node)} & {"open", "print"}
    assert not found | calls


def _calls_a_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)


def test_handlers_exports_only_classes_that_attach_to_an_engine():
    import scripts.handlers

    assert [name for name in scripts.handlers.__all__ if not hasattr(getattr(scripts.handlers, name), "attach")] == []


def test_nobody_imports_the_tools():
    importers = [relative(path) for path in FILES if "tools" in imported_packages(path.read_text())]
    assert [path for path in importers if not path.startswith(("scripts/tools/", "scripts/__main__"))] == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_a_file_states_its_purpose_and_has_a_name(path):
    assert ast.get_docstring(ast.parse(path.read_text())), f"{relative(path)} has no first line that states its purpose"
    assert path.stem not in VAGUE, f"{relative(path)}: name a file by what it holds"


def test_the_tests_have_the_packages_of_the_code():
    others = {"benchmarks", "bundles", "docs", "gpu", "layout", "zoo", "__pycache__"}
    found = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} - others
    assert found <= set().union(*LEVELS)


def test_the_top_level_holds_what_is_listed_and_nothing_else():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    assert {name.split("/")[0] for name in listed if name} == TOP_LEVEL


def test_every_dependency_is_pinned_and_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    names = {re.split(r"[<>=\[ ]", line)[0].lower() for line in wanted}
    pinned = {
        line.split("==")[0].lower().replace("_", "-") for line in (ROOT / "constraints.txt").read_text().splitlines()
    }
    reasons = (ROOT / "docs" / "decisions" / "dependencies.md").read_text().lower()
    assert names <= pinned
    assert [name for name in sorted(names) if f"`{name}`" not in reasons] == []
