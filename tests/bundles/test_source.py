"""The configs that ship are what `make configs` writes, and short enough to be read."""

import pytest

from scripts.tools.bundle_configs import ROOT, bundle_files, bundle_names, fill, written_files


def test_shipped_configs_and_the_reference_of_knobs_equal_their_source():
    written = written_files()
    differing = [str(path.relative_to(ROOT)) for path, text in written.items() if path.read_text() != text]
    shipped = {path for bundle in bundle_names() for path in (ROOT / "bundles" / bundle / "configs").iterdir()}
    assert not differing, "edit bundles/source, then run `make configs`"
    assert shipped <= written.keys()


@pytest.mark.parametrize("bundle", bundle_names())
def test_a_train_config_has_at_most_500_lines(bundle):
    assert bundle_files(bundle)["train.json"].count("\n") <= 500


def test_a_hole_is_filled_as_value_keys_item_and_text_and_a_hole_without_a_block_is_an_error():
    blocks = {"b": 2, "more": {"c": 3, "d": "<b>"}, "items": [4, "<b>"], "word": "five"}
    made = fill({"a": "<b>", "<more>": "", "list": [1, "<items>", ["<b>"]], "text": "a <word> b"}, blocks)
    assert made == {"a": 2, "c": 3, "d": 2, "list": [1, 4, 2, [2]], "text": "a five b"}
    with pytest.raises(KeyError, match="none"):
        fill({"a": "<none>"}, blocks)
