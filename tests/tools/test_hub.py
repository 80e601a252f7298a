"""A package is pushed to the Hugging Face Hub and downloaded again, by MONAI, on a hub of this machine."""

import importlib.util
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from scripts.tools.package import package
from scripts.tools.packaging.model_card import front_matter
from tests.tools.loopback_hub import LoopbackHub

NAME = "sem_mae_pretrain"
PROGRAM = """
import sys
from huggingface_hub import HfApi
from monai.bundle.scripts import download, push_to_hf_hub

packages, out, name = sys.argv[1:]
repo = {"repo": f"lab/{name}"}
push_to_hf_hub(**repo, name=name, bundle_dir=packages, token="hf_none", version="0.1.0", private=False)
card = {"path_or_fileobj": f"{packages}/{name}_model_card.md", "path_in_repo": "README.md"}
HfApi(token="hf_none").upload_file(**card, repo_id=repo["repo"])
download(name=name, source="huggingface_hub", **repo, version="0.1.0", bundle_dir=out)
"""
"""The commands of docs/packages.md, in one process."""


def metadata(text):
    """The front matter of a card, read as YAML."""
    first, matter, _ = text.split("---\n", 2)
    assert first == ""
    return yaml.safe_load(matter)


@pytest.fixture
def hub():
    with LoopbackHub() as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None,
    reason="the extra hub is not installed: pip install -e '.[hub]'",
)
def test_what_is_pushed_is_downloaded_and_its_card_names_licence_and_data(hub, tmp_path):
    package(NAME, str(tmp_path / "packages"))
    sent = {
        str(path.relative_to(tmp_path / "packages" / NAME)): path.read_bytes()
        for path in (tmp_path / "packages" / NAME).rglob("*")
        if path.is_file()
    }
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
    words = [sys.executable, "-W", "ignore", "-c", PROGRAM, tmp_path / "packages", tmp_path / "downloaded", NAME]
    (tmp_path / "downloaded").mkdir()
    ended = subprocess.run(
        list(map(str, words)), env={**os.environ, **settings, "HF_HUB_DISABLE_TELEMETRY": "1"},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    card = hub.files.pop("README.md").decode()
    assert hub.files == sent
    assert hub.tags == ["0.1.0"]
    there = tmp_path / "downloaded" / NAME
    assert {name: (there / name).read_bytes() for name in sent} == sent
    assert (there / "README.md").read_text() == card
    found = metadata(card)
    assert (found["license"], found["library_name"], found["datasets"]) == ("apache-2.0", "monai", ["snemi3d"])
    assert {"monai", "electron-microscopy"} <= set(found["tags"])
    assert card.endswith(sent["docs/README.md"].decode())


@pytest.mark.parametrize(
    ("volumes", "licence", "datasets"),
    [
        ('["a/snemi3d_ac4_train.h5:raw"]', "apache-2.0", ["snemi3d"]),
        (["snemi3d.h5", "cdeep3m_sbem_mito_train.h5:raw"], "other", ["snemi3d", "cdeep3m-sbem-mitochondria"]),
        ("mine.zarr:raw", "unknown", None),
        (None, "unknown", None),
    ],
)
def test_weights_have_the_licence_that_their_volumes_leave_them(volumes, licence, datasets):
    found = metadata(front_matter("sem_mito_bc", {"recipe": {"volumes": volumes}}) + "\n")
    assert (found["license"], found.get("datasets"), found["pipeline_tag"]) == (licence, datasets, "image-segmentation")
    assert found.get("license_name") == ("research-only" if licence == "other" else None)


def test_a_package_without_weights_has_the_licence_of_the_code():
    found = metadata(front_matter(NAME, None) + "\n")
    assert (found["license"], "datasets" in found) == ("apache-2.0", False)
    assert found["pipeline_tag"] == "image-feature-extraction"
    assert (Path(__file__).parents[2] / "LICENSE").read_text().lstrip().startswith("Apache License")
