"""A hook of MkDocs: notebooks as pages with pictures, pages for documents outside `docs`, and new results in the menu.

Links are written as they work in the repository. Here those to a document outside `docs` lead to its page, and those to
code or configs become plain text, as the site has neither.
"""

import base64
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
GROWING = {"Results": "docs/results/*.md", "Decisions": "docs/decisions/*.md"}
"""Parts of the menu that take in what is written, and what that is."""
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def outside() -> dict[str, str]:
    """Documents of the repository outside `docs`, and the page each becomes."""
    found = {"data_manifests/README.md": "data_manifests.md"}
    for readme in sorted(ROOT.glob("bundles/*/docs/README.md")):
        found[readme.relative_to(ROOT).as_posix()] = f"bundles/{readme.parts[-3]}.md"
    return found


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the results and decisions that the menu does not name."""
    config.nav = complete(config.nav or [])
    return config


def complete(nav: list[Any]) -> list[Any]:
    """The menu, with each page of `docs/results` and `docs/decisions`; those it does not name come last."""
    named = str(nav)
    for entry in nav:
        for title, part in entry.items() if isinstance(entry, dict) else ():
            if isinstance(part, list) and title in GROWING:
                pages = sorted(path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob(GROWING[title]))
                part += [page for page in pages if page not in named]
            elif isinstance(part, list):
                complete(part)
    return nav


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made."""
    for source, page in outside().items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text()))
    for notebook in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(notebook)
        text, pictures = as_markdown(Path(str(notebook.abs_src_path)))
        page = PurePosixPath(notebook.src_uri).with_suffix(".md")
        files.append(File.generated(config, str(page), content=text))
        for name, picture in pictures.items():
            files.append(File.generated(config, str(page.parent / name), content=picture))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to what is no page into links to its page, or into text."""
    pages = outside()
    origin = {made: source for source, made in pages.items()}
    here = origin.get(page.file.src_uri, f"docs/{page.file.src_uri}")

    def linked(match: re.Match[str]) -> str:
        mark, text, target = match.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return match.group(0)
        path, _, anchor = target.partition("#")
        reached = os.path.normpath(PurePosixPath(here).parent / path)
        if reached in pages:
            wanted = pages[reached]
        elif reached.startswith("docs/"):
            wanted = re.sub(r"\.ipynb$", ".md", reached.removeprefix("docs/"))
        else:
            return text
        relative = os.path.relpath(wanted, PurePosixPath(page.file.src_uri).parent)
        return f"{mark}[{text}]({relative}{f'#{anchor}' if anchor else ''})"

    return LINK.sub(linked, markdown)


def as_markdown(notebook: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook's text and outputs as Markdown, and its pictures by file name."""
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        for output in cell.get("outputs", []):
            parts += [_output(output, pictures, notebook.stem)]
    first, _, rest = parts[0].partition("\n")
    parts[0] = (
        f"{first}\n\nA notebook of the repository, `docs/notebooks/{notebook.name}`, with what it printed.\n{rest}"
    )
    return "\n\n".join(part for part in parts if part), pictures


def _output(output: Any, pictures: dict[str, bytes], stem: str) -> str:
    if output.output_type == "stream":
        return f"```text\n{output.text.rstrip()}\n```"
    data = output.get("data", {})
    for kind in ("jpeg", "png"):
        if f"image/{kind}" in data:
            name = f"{stem}_{len(pictures)}.{kind}"
            pictures[name] = base64.b64decode(data[f"image/{kind}"])
            return f"![]({name})"
    if "text/markdown" in data:
        return str(data["text/markdown"])
    return f"```text\n{data.get('text/plain', '')}\n```" if data else ""
