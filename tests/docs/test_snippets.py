"""What the page for contributors says can be added in 40 lines runs as it stands there."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "contributing.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections() -> dict[str, list[str]]:
    """Heading -> the Python blocks under it, in order."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    found = {name: BLOCK.findall(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}
    return {name: blocks for name, blocks in found.items() if blocks}


def test_a_target_a_decoder_and_a_metric_are_shown_in_less_than_forty_lines_each():
    found = sections()
    assert list(found) == ["Add a target", "Add a decoder", "Add a metric"]
    for name, blocks in found.items():
        assert len(blocks[0].splitlines()) < 40, name
        assert "assert" in "".join(blocks), f"{name} shows no check"


def test_they_do_what_the_page_says():
    """In a process of its own, as one of them enters a decoder into the table of names; each section by itself."""
    program = "\n".join(
        f"exec({chr(10).join(blocks)!r}, {{'__name__': {name!r}}})" for name, blocks in sections().items()
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr
