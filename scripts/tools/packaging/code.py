"""The code that a bundle's configs need: the files they reach by imports, and the packages those files import."""

import ast
import importlib.metadata
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The repository."""
NAMED = re.compile(r"\bscripts(?:\.\w+)+")
ISORT = ("--config", 'lint.isort.known-third-party=["scripts"]', "--config", "lint.isort.split-on-trailing-comma=false")
BLACK = ("--config", "format.skip-magic-trailing-comma=true")
"""Options of ruff for the zoo: isort there takes `scripts` for a third party, black joins what fits on a line."""


@dataclass(frozen=True)
class Code:
    """Files of `scripts`, and the top modules of other packages that they import, each with one file that does."""

    files: tuple[Path, ...]
    imports: dict[str, Path]


def needed_code(configs: Iterable[Path], root: Path = ROOT) -> Code:
    """Follow every `scripts.x.y` that a config names, through all imports, also those inside functions.

    Args:
        configs: JSON files of a bundle.
        root: the folder that has the package `scripts`.
    """
    found: set[Path] = set()
    imports: dict[str, Path] = {}
    waiting = ["scripts", *sorted({name for path in configs for name in NAMED.findall(path.read_text("utf-8"))})]
    while waiting:
        for path in _files(waiting.pop(), root):
            if path in found:
                continue
            found.add(path)
            for name in imported(path):
                top = name.split(".")[0]
                if top == "scripts":
                    waiting.append(name)
                elif top not in sys.stdlib_module_names:
                    imports.setdefault(top, path)
    return Code(tuple(sorted(found)), dict(sorted(imports.items())))


def imported(path: Path) -> Iterator[str]:
    """Dotted names in all import statements of a file, `from a import b` as `a.b`."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def distributions(modules: Iterable[str]) -> dict[str, str]:
    """Module -> the distribution that has it, such as ignite -> pytorch-ignite.

    Raises:
        ValueError: a module of no installed distribution.
    """
    known = _installed()
    unknown = [name for name in modules if name not in known]
    if unknown:
        raise ValueError(f"the code imports {', '.join(unknown)}, which is not installed: pip install it")
    return {name: known[name][0].lower().replace("_", "-") for name in modules}


@cache
def _installed() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def copy_code(code: Code, target: Path, root: Path = ROOT) -> None:
    """Copy the files, and the data files that lie beside them, to the folder `target`, in the zoo's style.

    Raises:
        ImportError: ruff is not installed.
    """
    for path in code.files:
        _copy(path, target / path.relative_to(root))
    for folder in sorted({path.parent for path in code.files}):
        for path in sorted(folder.iterdir()):
            if path.is_file() and path.suffix == ".json":
                _copy(path, target / path.relative_to(root))
    in_zoo_style(target / "scripts")


def in_zoo_style(path: Path) -> None:
    """Sort imports and format as the zoo's isort and black do (black 120, no magic trailing comma).

    Raises:
        ImportError: ruff is not installed.
        ValueError: the message of ruff on a file it cannot format.
    """
    if not importlib.util.find_spec("ruff"):
        raise ImportError("ruff is not installed, and a package is formatted with it: pip install -e '.[lint]'")
    own = (sys.executable, "-m", "ruff")
    to = ("--isolated", "--no-cache", "--quiet", "--line-length", "120", str(path))
    for words in (("check", "--select", "I", "--fix", *ISORT), ("format", *BLACK)):
        ended = subprocess.run([*own, *words, *to], capture_output=True, text=True, check=False)
        if ended.returncode:
            raise ValueError(f"ruff {words[0]} fails: {ended.stderr or ended.stdout}")


def metadata_packages(metadata: Path) -> dict[str, str]:
    """Distribution -> version of everything a metadata.json asks for."""
    content = json.loads(metadata.read_text("utf-8"))
    base = {"monai": "monai_version", "torch": "pytorch_version", "numpy": "numpy_version"}
    return {
        **{name: str(content[key]) for name, key in base.items() if key in content},
        **{name.lower(): str(version) for name, version in content.get("required_packages_version", {}).items()},
    }


def _files(name: str, root: Path) -> Iterator[Path]:
    """The files that importing a dotted name runs: `__init__.py` on the way, and the module."""
    place = root
    for part in name.split("."):
        place = place / part
        if (place / "__init__.py").is_file():
            yield place / "__init__.py"
        elif place.with_suffix(".py").is_file():
            yield place.with_suffix(".py")
            return
        else:
            return


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
