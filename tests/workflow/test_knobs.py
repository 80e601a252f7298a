"""A value of a knob has its type and range; any other value is refused in one line with the reason."""

import json

import pytest

from scripts.tools.bundle_configs import bundle_files, bundle_names
from scripts.tools.knob_reference import WITH_KNOBS, knob_groups
from scripts.workflow.knobs import KNOBS, knob_value
from scripts.workflow.overrides import checked_values

CONFIGS = {
    (bundle, name): json.loads(text)
    for bundle in bundle_names()
    for name, text in bundle_files(bundle).items()
    if name in WITH_KNOBS
}
WRONG = (
    *("x", "", "true", "false", "null", "-1", "0.5", "1.5", "nan", "inf", "-inf", "1e999", "10**9", "[]", "[1]"),
    *("[1,2]", "[1,2,3,4]", "[0,0,0]", "[1,'a',2]", "['x']", "{}", "{'a': 1}", "{'a': []}", "(1, 2)", "None", "1:2"),
    *("99999999999999999999", "a:b,c:d,e:f", "[[1]]", "[null]", "$", "b'x'", "'"),
)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=lambda config: config["_desc_"][:20])
def test_every_knob_has_a_type_and_its_default_is_of_that_type(config):
    names = [name for names, _ in knob_groups(config) for name in names]
    assert set(names) <= KNOBS.keys()
    checked = checked_values({name: config[name] for name in names})
    assert checked == {name: config[name] for name in checked}


def test_the_table_has_no_knob_that_no_config_has():
    names = {name for config in CONFIGS.values() for names, _ in knob_groups(config) for name in names}
    assert KNOBS.keys() == names


@pytest.mark.parametrize("name", KNOBS)
def test_a_wrong_value_ends_in_one_line_with_knob_value_and_what_is_allowed(name, campaign):
    lines = []
    for word in WRONG:
        try:
            value = knob_value(name, word)
        except ValueError as error:
            lines.append(str(error))
        else:  # what is accepted is of one type, and stays when it is checked again
            assert knob_value(name, value) == value
    assert len(lines) >= 3
    assert all(line.startswith(f"--{name} ") and line.endswith(f" is not {KNOBS[name]}") for line in lines)
    assert not any("\n" in line for line in lines)
    campaign("wrong values of knobs", {"refused": len(lines), "usable": len(WRONG) - len(lines)})


@pytest.mark.parametrize(
    ("name", "word", "value"),
    [
        ("augment", "false", False),
        ("augment", "True", True),
        ("resume", True, True),
        ("clip", "null", None),
        ("grey_low", "null", None),
        ("threads", "null", None),
        ("labelled_sections", "null", None),
        ("labelled_sections", "[0, 3]", [0, 3]),
        ("labelled_sections", "4", 4),
        ("iterations", "1e5", 100_000),
        ("lr", "5e-4", 5e-4),
        ("crop", "[6,96,96]", [6, 96, 96]),
        ("crop", (6, 96, 96), [6, 96, 96]),
        ("output_dir", "20260101_120000", "20260101_120000"),
        ("volumes", "1e5", "1e5"),
        ("volumes", "['a.h5:raw', 'b.h5:raw']", ["a.h5:raw", "b.h5:raw"]),
        ("checkpoint", "'my run/best.pt'", "my run/best.pt"),
        ("pretrained", "null", None),
        ("box", ":,0:64,64:", ":,0:64,64:"),
        ("flips", "8", 8),
        ("ome_version", "0.4", "0.4"),
        ("ome_version", 0.4, "0.4"),
        ("labels", "['a.h5', null]", ["a.h5", None]),
        ("mask", '[null,"not:255"]', [None, "not:255"]),
        ("volumes", "('a.h5', 'b c.h5')", ["a.h5", "b c.h5"]),
        ("volumes", '["it\'s [1].h5"]', ["it's [1].h5"]),
        (
            "instance_decoder_settings",
            '{"dust": 5, "join": null, "fill": true}',
            {"dust": 5, "join": None, "fill": True},
        ),
        ("batch", "1_000", 1000),
        ("batch", "2.0", 2),
        ("decoder_grid", "{'threshold': [0.1, 0.2]}", {"threshold": [0.1, 0.2]}),
    ],
)
def test_a_word_means_what_it_means_in_json_and_a_path_stays_as_typed(name, word, value):
    found = knob_value(name, word)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("name", "word", "allowed"),
    [
        ("clip", "-1", "a number above 0, or null"),
        ("seed", "x", "a whole number from 0 to 4294967295"),
        ("seed", "null", "a whole number from 0 to 4294967295"),
        ("augment", "maybe", "true or false"),
        ("augment", "1", "true or false"),
        ("iterations", "[5]", "a whole number of 1 or more"),
        ("iterations", "5.5", "a whole number of 1 or more"),
        ("iterations", "true", "a whole number of 1 or more"),
        ("crop", "96", "a list of 3 whole numbers of 1 or more (z, y, x)"),
        ("betas", "[0.9, 1]", "a list of 2 numbers from 0 to 1 (excluded)"),
        ("mask_ratio", "1", "a number from 0 (excluded) to 1 (excluded)"),
        ("sampler", "gpu", "one of loader, device"),
        ("train_box", "0:5", "a box z0:z1,y0:y1,x0:x1 in voxels, or null"),
        ("train_box", "5:3,:,:", "a box z0:z1,y0:y1,x0:x1 in voxels, or null"),
        ("train_box", "\u0663:5,:,:", "a box z0:z1,y0:y1,x0:x1 in voxels, or null"),
        ("output_dir", "null", "a path"),
        ("output_dir", "' '", "a path"),
        ("labels", "[null]", "a path or a list of paths, or null"),
        ("labelled_sections", "[0, 'a']", f"{KNOBS['labelled_sections']}"),
        ("mask", "not:nan", f"{KNOBS['mask']}"),
        ("volumes", "[1, 2]", "a path or a list of paths"),
        ("network", "5", "a name"),
        (
            "labelled_sections",
            "[1.5]",
            f"{KNOBS['labelled_sections']}",
        ),
    ],
)
def test_the_line_of_a_wrong_value(name, word, allowed):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        knob_value(name, word)
    assert str(caught.value) == f"--{name} '{word}' is not {allowed}"


def test_what_is_of_training_crops_alone_is_refused_where_none_are_drawn():
    assert checked_values({"nonfinite": "skip"}) == {"nonfinite": "skip"}
    with pytest.raises(ValueError, match=r"--nonfinite 'skip' is not one of refuse, zero$"):
        checked_values({"nonfinite": "skip"}, training=False)
    training = {name: "train" in config for (_, name), config in CONFIGS.items()}
    assert training == {"train.json": True, "evaluate.json": False, "inference.json": False, "probe.json": False}
