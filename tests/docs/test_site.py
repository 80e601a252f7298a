"""The documents are consistent: every link has a target, every page is in the menu, every test they name exists."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SITE = ROOT / "mkdocs.yml"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "bundles/*/docs/*.md", "data_manifests/*.md")
    for path in ROOT.glob(pattern)
)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)


def prose(path: Path) -> str:
    """A document without its code."""
    return re.sub(r"`[^`\n]*`", "``", FENCE.sub("", path.read_text()))


def anchors(path: Path) -> set[str]:
    """What `#...` may name in a document, as GitHub and MkDocs make it of headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} (.+?)\s*#*$", FENCE.sub("", path.read_text()), re.MULTILINE):
        plain = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading).strip().lower())
        found |= {plain.replace(" ", "-"), re.sub(r"[-\s]+", "-", plain)}
    return found


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading_of_the_repository(path):
    wrong = []
    for target in LINK.findall(prose(path)):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = target.partition("#")
        reached = (path.parent / name).resolve() if name else path
        if not reached.exists() or ROOT not in (reached, *reached.parents):
            wrong.append(target)
        elif anchor and reached.suffix == ".md" and anchor not in anchors(reached):
            wrong.append(f"{target} (it has {sorted(anchors(reached))})")
    assert not wrong, f"{path.relative_to(ROOT)}: {wrong}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_that_a_document_names_exists(path):
    text = path.read_text()
    named = {name for name in re.findall(r"`(test_\w+)`", text) if not name.startswith("test_box")}
    known = set(re.findall(r"^def (test_\w+)", _all_tests(), re.MULTILINE))
    files = {name.stem for name in (ROOT / "tests").rglob("test_*.py")}
    assert named <= known | files, sorted(named - known - files)
    for file in re.findall(r"\btests/[\w/]+\.py", text):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_verb_that_a_document_shows_exists(path):
    from scripts.tools.cli import VERBS

    shown = set(re.findall(r"python -m scripts (\w+)", path.read_text())) - {"VERB", "verb"}
    assert shown <= set(VERBS), sorted(shown - set(VERBS))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_document_names_a_place_of_one_machine(path):
    text = re.sub(r"`[^`\n]*@bundle_root[^`\n]*`", "``", path.read_text())  # the computed default of a knob
    assert not re.search(r"(?<![\w./])/[a-z]\w+/", text)


def test_the_menu_has_every_page_and_no_other():
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install -e '.[docs]'")
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs" / "site_pages.py")
    assert spec is not None
    site_pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(site_pages)
    listed = set(_pages(site_pages.complete(yaml.load(SITE.read_text(), yaml.SafeLoader)["nav"])))
    there = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    there |= {
        path.relative_to(ROOT / "docs").with_suffix(".md").as_posix() for path in (ROOT / "docs").rglob("*.ipynb")
    }
    there |= {f"bundles/{path.parts[-3]}.md" for path in ROOT.glob("bundles/*/docs/README.md")} | {"data_manifests.md"}
    assert there - listed == set(), "pages that the menu of mkdocs.yml lacks"
    assert listed - there == set(), "entries of the menu without a page"


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install -e '.[docs]'")
    pytest.importorskip("material", reason="mkdocs-material is not installed: pip install -e '.[docs]'")
    command = [sys.executable, "-W", "ignore", "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)
    assert built.returncode == 0, built.stdout + built.stderr  # not --quiet, which hides warnings from --strict too
    assert "WARNING" not in built.stderr, built.stderr
    page = (tmp_path / "site" / "notebooks" / "transform_chains" / "index.html").read_text()
    assert "transform_chains_0.jpeg" in page
    assert "<code" in (tmp_path / "site" / "api" / "ops" / "index.html").read_text()


def _pages(entry: object) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    parts = entry if isinstance(entry, list) else list(entry.values()) if isinstance(entry, dict) else []
    return [page for part in parts for page in _pages(part)]


def _all_tests() -> str:
    return "\n".join(path.read_text() for path in sorted((ROOT / "tests").rglob("test_*.py")))
