"""A package holds what the model zoo asks for, runs outside the repository, and is the same to the byte each time."""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser

from scripts.checkpoints.file import load_checkpoint, network_content, save_atomically
from scripts.tools.package import package
from scripts.tools.packaging.code import metadata_packages, needed_code
from scripts.tools.packaging.configs import packaged, packaged_model
from scripts.tools.packaging.weights import sha256, strip_torchscript, without_folders
from scripts.tools.packaging.zoo_rules import problems

ROOT = Path(__file__).parents[2]
COMPLETE = sorted(
    path.parents[1].name
    for path in (ROOT / "bundles").glob("*/configs/metadata.json")
    if (path.parent / "inference.json").is_file() and (path.parents[1] / "docs" / "README.md").is_file()
)
TEXT = {"type": "string"}
TENSOR = {
    "type": "object",
    "properties": {
        "type": TEXT,
        "format": TEXT,
        "num_channels": {"type": "integer"},
        "spatial_shape": {"type": "array", "items": {"type": ["string", "integer"]}},
        "dtype": TEXT,
        "value_range": {"type": "array", "items": {"type": "number"}},
        "is_patch_data": {"type": "boolean"},
        "channel_def": {"type": "object"},
    },
    "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
}
SCHEMA = {
    "type": "object",
    "properties": {
        **dict.fromkeys(["schema", "version", "monai_version", "pytorch_version", "numpy_version", "task"], TEXT),
        **dict.fromkeys(["description", "authors", "copyright", "data_source", "data_type", "intended_use"], TEXT),
        **dict.fromkeys(["image_classes", "label_classes", "pred_classes"], TEXT),
        **{key: {"type": "object"} for key in ("changelog", "required_packages_version", "eval_metrics")},
        "references": {"type": "array", "items": TEXT},
        "network_data_format": {
            "type": "object",
            "properties": {key: {"additionalProperties": TENSOR} for key in ("inputs", "outputs")},
            "required": ["inputs", "outputs"],
        },
    },
    "required": [
        *("schema", "version", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"),
        *("task", "description", "authors", "copyright", "network_data_format"),
    ],
}
"""What https://project-monai.github.io/schema/meta_schema_20240725.json asks of the keys that are used here."""

SIZES = {"width": 24, "depth": 2, "heads": 2, "decoder_width": 24, "decoder_depth": 1, "decoder_heads": 2}
RECIPE = {
    **{"architecture": "mae", "network": "tiny", "sizes": SIZES, "trunk_sizes": None},
    **{"crop": [6, 32, 32], "patch": [1, 16, 16], "token_mask": "random"},
    **{"mask_ratio": 0.5, "downsample": [1, 1, 1], "grey_low": None, "grey_high": None},
    "volumes": "/home/someone/em/mine.h5:raw",
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """A tiny pre-trained network, as a run saves it."""
    parser = ConfigParser()
    parser.read_config(str(ROOT / "bundles" / "sem_mae_pretrain" / "configs" / "inference.json"))
    parser["recipe"] = RECIPE
    torch.manual_seed(0)
    network = parser.get_parsed_content("network_def")
    path = tmp_path_factory.mktemp("run") / "best.pt"
    save_atomically(network_content(network, RECIPE, 7) | {"scores": {"val_loss": 0.5}}, path)
    return path


@pytest.fixture(scope="module")
def made(checkpoint, tmp_path_factory) -> Path:
    """A package with weights, in a folder outside the repository."""
    out = tmp_path_factory.mktemp("zoo")
    package("sem_mae_pretrain", str(out), weights=str(checkpoint))
    return out / "sem_mae_pretrain"


def run_outside(folder: Path, *words: str) -> str:
    """A Python command whose working directory is `folder`, and which cannot see the repository."""
    alone = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0", "PYTHONPATH": ""}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", *words],
        cwd=folder,
        env={**os.environ, **alone},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
    return ended.stdout + ended.stderr


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """Packages of all bundles with the weights they come with, and what was printed of each."""
    out = tmp_path_factory.mktemp("packages")
    return out, {bundle: package(bundle, str(out)) for bundle in COMPLETE}


@pytest.mark.parametrize("bundle", COMPLETE)
def test_a_bundle_packages_without_anything_the_zoo_would_refuse(bundle, packages):
    out, printed = packages
    assert problems(out / bundle) == []
    has_weights = (ROOT / "bundles" / bundle / "models" / "model.pt").is_file()
    assert ("no weights: train them" in printed[bundle]) is not has_weights
    metadata = json.loads((out / bundle / "configs" / "metadata.json").read_text())
    jsonschema.validate(metadata, SCHEMA)
    assert metadata["schema"].endswith("/meta_schema_20240725.json")
    assert metadata["version"] in metadata["changelog"]
    text = (out / bundle / "docs" / "README.md").read_text()
    assert ("This package has no weights" in text) is not has_weights


@pytest.mark.parametrize("bundle", COMPLETE)
def test_the_metadata_names_the_versions_that_the_tests_run_with(bundle):
    pinned = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    pinned = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    named = metadata_packages(ROOT / "bundles" / bundle / "configs" / "metadata.json")
    assert {name: pinned[name] for name in named} == named


@pytest.mark.parametrize("bundle", COMPLETE)
def test_the_code_of_a_package_is_what_its_configs_reach_and_no_tool(bundle):
    code = needed_code((ROOT / "bundles" / bundle / "configs").glob("*.json"))
    names = {str(path.relative_to(ROOT)) for path in code.files}
    assert {"scripts/__init__.py", "scripts/handlers/__init__.py", "scripts/networks/vit.py"} <= names
    assert not any(name.startswith("scripts/tools") for name in names)


def test_weights_are_a_plain_state_dict_with_their_recipe_beside_it(made, checkpoint):
    plain = torch.load(made / "models" / "model.pt", weights_only=True)
    whole = load_checkpoint(checkpoint)
    assert plain.keys() == whole["network"].keys()
    assert all(torch.equal(plain[name], value) for name, value in whole["network"].items())
    read = load_checkpoint(made / "models" / "model.pt")
    assert read["recipe"] == {**RECIPE, "volumes": "mine.h5:raw"}
    assert (read["iteration"], read["scores"]) == (7, {"val_loss": 0.5})
    assert json.loads((made / "configs" / "metadata.json").read_text())["eval_metrics"] == {"val_loss": 0.5}


def test_the_package_names_no_place_of_the_machine_it_was_made_on(made):
    for path in (path for path in made.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert str(ROOT).encode() not in content, path
        assert b"/home/someone" not in content, path


def test_other_weights_of_the_bundle_come_along_with_their_recipe(made):
    source = ROOT / "bundles" / "sem_mae_pretrain" / "models"
    for name in ("trunk.pt", "trunk.json"):
        assert (made / "models" / name).read_bytes() == (source / name).read_bytes()
    assert load_checkpoint(made / "models" / "trunk.pt")["recipe"]["architecture"] == "residual_unet"


def test_the_package_has_the_zoos_layout(made):
    for file in (
        "LICENSE",
        "configs/inference.json",
        "configs/logging.conf",
        "docs/data_license.txt",
        "models/model.pt",
    ):
        assert (made / file).is_file(), file
    assert not any(path.is_symlink() for path in made.rglob("*"))
    assert max(path.stat().st_size for path in made.rglob("*") if path.is_file()) <= 25 * 2**20
    assert (made.parent / "test_sem_mae_pretrain.py").is_file()
    readme = (made / "docs" / "README.md").read_text()
    assert "bundles/" not in readme
    assert "--config_file configs/train.json" in readme
    assert sha256(made / "models" / "model.pt") in readme


def test_the_same_sources_and_weights_give_the_same_bytes(made, checkpoint, tmp_path):
    package("sem_mae_pretrain", str(tmp_path), weights=str(checkpoint))
    first, second = (folder / "sem_mae_pretrain_v0.1.0.zip" for folder in (made.parent, tmp_path))
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        names = archive.namelist()
        assert names == sorted(names)
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert all(name.startswith("sem_mae_pretrain/") for name in names)
        assert archive.testzip() is None


def test_configs_are_json_as_the_zoos_commit_hook_formats_it(made):
    for path in [*made.rglob("*.json")]:
        if path.parent.name != "datasets":
            assert path.read_text() == json.dumps(json.loads(path.read_text()), indent=4) + "\n", path


def test_code_is_sorted_and_formatted_for_the_zoo(made):
    for path in (made / "scripts").rglob("*.py"):
        text = path.read_text()
        ast.parse(text)
        block = re.search(r"(?:^(?:from|import) (?!__future__).*\n)+", text, flags=re.MULTILINE)
        if (
            "from scripts" in text and block and "import numpy" in text
        ):  # one block: the zoo's isort sees no first party
            assert not re.search(r"^import numpy.*\n\nfrom scripts", text, flags=re.MULTILINE), path


@pytest.fixture(scope="module")
def checked(packages, tmp_path_factory) -> Path:
    """A folder in which MONAI's own checks, an export and a prediction were run on copies of all packages."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for bundle in COMPLETE:
        shutil.copytree(packages[0] / bundle, folder / bundle)
    script = """
import importlib, sys, torch
from monai.bundle import ckpt_export, create_workflow, load, verify_net_in_out
image = torch.rand(1, 1, 6, 32, 48)
for root in sys.argv[2:]:  # each with the code of its own package
    for name in [name for name in sys.modules if name.split(".")[0] == "scripts"]:
        del sys.modules[name]
    sys.path[:] = [f"{sys.argv[1]}/{root}"] + [path for path in sys.path if not path.startswith((sys.argv[1], "sem_"))]
    importlib.invalidate_caches()
    scripts = importlib.import_module("scripts")
    assert scripts.__file__.startswith(f"{sys.argv[1]}/{root}/"), scripts.__file__
    config, meta = f"{root}/configs/inference.json", f"{root}/configs/metadata.json"
    verify_net_in_out(net_id="network_def", meta_file=meta, config_file=config, bundle_root=root)
    model = load(root, bundle_dir=".", workflow_type="inference", device="cpu").eval()
    files = {"filepath": f"{root}/models/model.ts", "ckpt_file": f"{root}/models/model.pt"}
    ckpt_export(net_id="network_def", meta_file=meta, config_file=config, bundle_root=root, **files)
    torch.testing.assert_close(torch.jit.load(files["filepath"])(image), model(image), atol=1e-5, rtol=1e-5)
    files = {"volume": "v.npy", "out": f"{root}.h5"}
    flow = create_workflow(config_file=config, workflow_type="inference", bundle_root=root, **files)
    assert flow.check_properties() == []
    flow.run()
"""
    np.save(folder / "v.npy", np.random.RandomState(0).randint(0, 255, (12, 32, 32)).astype(np.uint8))
    run_outside(folder, "-c", script, str(folder), *COMPLETE)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("bundle", COMPLETE)
def test_monais_own_checks_pass_outside_the_repository_with_the_weights_of_the_bundle(checked, bundle):
    assert (checked / f"{bundle}.h5").is_file()
    assert (checked / bundle / "models" / "model.ts").is_file()


@pytest.mark.slow
def test_torchscript_on_request_is_reproducible_and_names_no_place(checked, tmp_path):
    package("sem_mae_pretrain", str(tmp_path), torchscript=True)
    one = tmp_path / "sem_mae_pretrain" / "models" / "model.ts"
    two = Path(shutil.copy(checked / "sem_mae_pretrain" / "models" / "model.ts", tmp_path))
    strip_torchscript(two)  # an export by hand, in another folder
    assert one.read_bytes() == two.read_bytes()
    with zipfile.ZipFile(one) as archive:
        assert not any(str(tmp_path).encode() in archive.read(name) for name in archive.namelist())
    assert torch.jit.load(one)(torch.zeros(1, 1, 6, 32, 32)).shape == (1, 1, 6, 32, 32)


def test_linked_weights_are_named_with_their_checksum_and_stay_out(checkpoint, tmp_path):
    url = "https://example.org/model.pt"
    package("sem_mae_pretrain", str(tmp_path), weights=str(checkpoint), weights_url=url)
    folder, model = tmp_path / "sem_mae_pretrain", tmp_path / "sem_mae_pretrain_v0.1.0_model.pt"
    linked = ConfigParser.load_config_file(str(folder / "large_files.yml"))["large_files"]
    assert linked == [
        {"path": "models/model.pt", "url": url, "hash_val": sha256(model), "hash_type": "sha256"},
    ]
    assert not (folder / "models" / "model.pt").exists()
    assert (folder / "models" / "model.json").is_file()


def test_half_as_large_weights_load_into_the_network(checkpoint, tmp_path):
    package("sem_mae_pretrain", str(tmp_path), weights=str(checkpoint), half=True)
    plain = torch.load(tmp_path / "sem_mae_pretrain" / "models" / "model.pt", weights_only=True)
    assert {value.dtype for value in plain.values()} == {torch.float16}


def test_a_bare_state_dict_of_another_network_is_refused_whole(checkpoint, tmp_path):
    torch.save(load_checkpoint(checkpoint)["network"], tmp_path / "bare.pt")
    with pytest.raises(ValueError, match="the weights is of another network"):
        package("sem_mae_pretrain", str(tmp_path / "out"), weights=str(tmp_path / "bare.pt"))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "output"),
    [
        ({"bundle": "sem_neurons"}, "there is no bundle 'sem_neurons'; there are: sem_mae_pretrain"),
        ({"weights": "none.pt"}, "none.pt: there is no such file"),
        ({"weights": "none.pt", "weights_url": "http://x", "torchscript": True}, "give one"),
    ],
)
def test_a_wrong_option_names_the_remedy(options, output, tmp_path):
    with pytest.raises(ValueError, match=output):
        package(**{"bundle": "sem_mae_pretrain", "out": str(tmp_path / "out"), **options})


def test_a_package_that_is_there_stays_unless_it_may_be_replaced(tmp_path):
    (tmp_path / "sem_mae_pretrain").mkdir()
    (tmp_path / "sem_mae_pretrain" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="--overwrite"):
        package("sem_mae_pretrain", str(tmp_path))
    assert (tmp_path / "sem_mae_pretrain" / "mine.txt").read_text() == "mine"
    package("sem_mae_pretrain", str(tmp_path), overwrite=True)
    assert not (tmp_path / "sem_mae_pretrain" / "mine.txt").exists()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_what_the_zoo_would_refuse_is_reported_in_a_line_each(made, tmp_path):
    bad = shutil.copytree(made, tmp_path / "BadName")
    metadata = json.loads((bad / "configs" / "metadata.json").read_text())
    del metadata["changelog"]["0.1.0"], metadata["required_packages_version"]["tifffile"]
    metadata["pytorch_version"] = "2.13.0+cpu"
    metadata["network_data_format"]["outputs"]["pred"]["channel_def"] = {}
    (bad / "configs" / "metadata.json").write_text(json.dumps(metadata))
    (bad / "docs" / "notes.txt").write_text("see /home/me/data\n")
    (bad / "models" / "large.bin").write_bytes(b"\0" * (25 * 2**20 + 1))
    (bad / "LICENSE").unlink()
    (bad / "docs" / "README.md").write_text("# Model overview\n\nconfigs/none.json\n")
    output = "\n".join(problems(bad))
    for part in (
        *("BadName is not in lower_snake_case", "version 0.1.0 is not in the changelog", "no tifffile, which scripts/"),
        *("2.13.0+cpu is not a plain release", "channel_def", "has the path /home/me", "large.bin has 25.0 MiB"),
        *("there is no LICENSE", "no heading Data", "configs/none.json, which is not there"),
    ):
        assert part in output, part


def test_a_config_finds_its_weights_and_runs_without_them():
    config = {
        "checkpoint": "$@bundle_root + '/runs/best.pt'",
        "bundle_root": "$next(p for p in ('.', 'bundles/mine'))",
    }
    about = {"recipe": {"width": 24, "batch": 8}, "decoder": {"name": "bc", "settings": {"seed": 0.9}}}
    made = packaged(config, "mine")
    assert made["checkpoint"] == "$@bundle_root + '/models/model.pt'"
    assert made["bundle_root"] == "$next(p for p in ('.', 'models/mine'))"
    assert config["bundle_root"] == "$next(p for p in ('.', 'bundles/mine'))"
    model = {"_desc_": "x", "recipe": {"width": 768, "mask": "a"}, "decoder": {"name": "mutex", "settings": {}}}
    assert packaged_model(model, about) == {
        **{"_desc_": "As models/model.pt was made.", "recipe": {"width": 24, "mask": "a"}},
        "decoder": {"name": "bc", "settings": {"seed": 0.9}},
    }
    assert packaged_model(model, {}) == model


def test_paths_in_a_recipe_lose_their_folders():
    recipe = {
        "volumes": ["/a/b.h5:raw", "snemi3d"],
        "box": "0:8,:,:",
        "sizes": {"width": 24},
        "windows": "C:\\em\\x.h5",
    }
    assert without_folders(recipe) == {
        **{"volumes": ["b.h5:raw", "snemi3d"], "box": "0:8,:,:", "sizes": {"width": 24}, "windows": "x.h5"},
    }


def test_every_module_that_packages_import_is_of_an_installed_distribution():
    code = needed_code((ROOT / "bundles" / "sem_mae_pretrain" / "configs").glob("*.json"))
    known = importlib.metadata.packages_distributions()
    assert set(code.imports) <= set(known)
    assert "fire" not in code.imports  # no tool comes along
