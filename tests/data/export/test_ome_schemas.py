"""What is written as OME-Zarr is valid by the JSON schemas that the specification publishes, 0.4 and 0.5.

The schemas are read from the wheel of ngff-zarr (MIT), which holds those of https://github.com/ome/ngff-spec; make
downloads it and does not install it.
"""

import json
import re
import sys
import zipfile
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import zarr
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from scripts.data.export.prediction import write_prediction
from scripts.data.export.write import Options, write_volume
from scripts.data.files.partial_prediction import PartialPrediction
from scripts.data.files.predictions import open_prediction
from scripts.data.volumes import ArrayVolume
from scripts.ops.box import Box

SIZE = (30.0, 6.0, 6.0)
BASE = "https://ngff.openmicroscopy.org"


@pytest.fixture(scope="module")
def schemas():
    """The published schemas by address."""
    wheels = list((Path(sys.prefix) / "schemas").glob("ngff_zarr-*.whl"))
    if not wheels:
        pytest.skip("no wheel of ngff-zarr, which holds the schemas: make downloads it to .venv/schemas")
    found = {}
    with zipfile.ZipFile(wheels[0]) as wheel:
        for name in wheel.namelist():
            place = re.fullmatch(r"ngff_zarr/spec/(0\.[45])/schemas/(\w+\.schema)", name)
            if place:
                found[f"{BASE}/{place[1]}/schemas/{place[2]}"] = json.loads(wheel.read(name))
    return found


def errors(schemas, version, name, attributes):
    """What a schema of the specification finds wrong."""
    resources = [
        (address, Resource.from_contents(content, default_specification=DRAFT202012))
        for address, content in schemas.items()
    ]
    schema = schemas[f"{BASE}/{version}/schemas/{name}.schema"]
    validator = jsonschema.Draft202012Validator(schema, registry=Registry().with_resources(resources))
    return [error.message for error in validator.iter_errors(attributes)]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("size", [SIZE, None], ids=["nm", "no unit"])
def test_images_and_labels_are_valid(schemas, tmp_path, version, size):
    voxels = np.arange(4 * 150 * 140, dtype=np.uint16).reshape(4, 150, 140)
    volume = ArrayVolume(voxels, size)
    write_volume(volume, f"{tmp_path}/v.zarr", Options(labels=False, version=version))
    write_volume(volume, f"{tmp_path}/v.zarr:labels/cells", Options(labels=True))
    image = zarr.open_group(tmp_path / "v.zarr", mode="r").attrs.asdict()
    assert errors(schemas, version, "strict_image", image) == []
    labels = zarr.open_group(tmp_path / "v.zarr/labels/cells", mode="r").attrs.asdict()
    assert errors(schemas, version, "strict_image", labels) == []
    assert errors(schemas, version, "label", labels) == []


@pytest.mark.parametrize("written", ["0.4", "0.5"])
@pytest.mark.parametrize("name", ["maps.zarr", "maps.ome.zarr"])
def test_predictions_are_valid(schemas, tmp_path, name, written):
    placed = {"chunks": (2, 16, 16), "voxel_size_nm": SIZE, "ome_version": written}
    made = PartialPrediction(tmp_path / name, (2, 40, 40), "uint8", {}, **placed)
    made.write(0, 0, np.ones((3, 2, 40, 40), np.uint8))
    made.done(2)
    attributes = zarr.open_group(made.finish(), mode="r").attrs.asdict()
    assert errors(schemas, written, "image", attributes) == []
    for version in ("0.4", "0.5"):
        copy = f"{tmp_path}/copy{version[-1]}.zarr"
        with open_prediction(tmp_path / name) as maps:
            box = Box.whole(maps.shape[1:])
            write_prediction(maps, str(tmp_path / name), box, copy, Options(labels=False, version=version))
        assert errors(schemas, version, "image", zarr.open_group(copy, mode="r").attrs.asdict()) == []


def test_the_schemas_refuse_an_axis_without_a_type_and_a_level_without_a_scale(schemas, tmp_path):
    write_volume(ArrayVolume(np.zeros((2, 8, 8), np.uint8), SIZE), f"{tmp_path}/v.zarr", Options(labels=False))
    image = zarr.open_group(tmp_path / "v.zarr", mode="r").attrs.asdict()
    described = image["ome"]["multiscales"][0]
    for change in ({"axes": described["axes"][1:2]}, {"datasets": [{"path": "0"}]}):
        changed = {"ome": {**image["ome"], "multiscales": [{**described, **change}]}}
        assert errors(schemas, "0.5", "image", changed)
