"""The configs fit the code, MONAI's own checks, and the commands that the documents show."""

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import torch.distributed as dist
from monai.bundle import ConfigWorkflow, verify_net_in_out

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "bundles").glob("*/configs/*.json"))
PRETRAIN = ROOT / "bundles" / "sem_mae_pretrain" / "configs"
TINY = Path(__file__).with_name("tiny.json")
OVERLAYS = ("as_published", "demo", "section_only", "space_only", "vit_large")
NOT_ARGUMENTS = {"_target_", "_mode_", "_desc_", "_disabled_", "_requires_"}


def components(entry: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every dictionary with a `_target_`, with its place."""
    if isinstance(entry, dict):
        if "_target_" in entry:
            yield path, entry
        for key, value in entry.items():
            yield from components(value, f"{path}#{key}")
    elif isinstance(entry, list):
        for place, value in enumerate(entry):
            yield from components(value, f"{path}#{place}")


def found(target: str) -> Any:
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_every_part_a_config_names_exists_and_takes_its_arguments(path):
    for place, part in components(json.loads(path.read_text())):
        target = part["_target_"]
        if not target.startswith("scripts."):
            assert importlib.import_module(target.split(".")[0]), place
            continue
        takes = inspect.signature(found(target)).parameters
        given = part.keys() - NOT_ARGUMENTS
        assert given <= takes.keys(), f"{path.name}{place}: {target} does not take {sorted(given - takes.keys())}"
        if part.get("_mode_") != "callable":
            needed = {
                name
                for name, parameter in takes.items()
                if parameter.default is parameter.empty and parameter.kind not in (2, 4)
            }
            assert needed <= given, f"{path.name}{place}: {target} needs {sorted(needed - given)}"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_a_config_has_no_lambda_and_at_most_one_expression_a_line(path):
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        assert "lambda" not in line, f"{path.name}:{number}"
        if '"imports"' not in line:
            assert len(re.findall(r'"\$', line)) <= 1, f"{path.name}:{number}"


@pytest.mark.parametrize("overlay", ["", *OVERLAYS])
def test_training_passes_monais_check_of_properties(overlay, volume, tmp_path):
    files = [PRETRAIN / "train.json", *([PRETRAIN / f"{overlay}.json"] if overlay else []), TINY]
    workflow = ConfigWorkflow(
        [str(file) for file in files], logging_file=False, volumes=str(volume), output_dir=str(tmp_path / "run")
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    assert not (tmp_path / "run").exists()


def test_training_over_processes_passes_monais_check_of_properties(volume, tmp_path, monkeypatch):
    for name, value in {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_ADDR": "127.0.0.1"}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_PORT", "0")
    files = [str(PRETRAIN / "train.json"), str(PRETRAIN / "multi_gpu_train.json"), str(TINY)]
    init = [f"$dist.init_process_group('gloo', init_method='file://{tmp_path}/meet', rank=0, world_size=1)"]
    workflow = ConfigWorkflow(
        files, logging_file=False, volumes=str(volume), output_dir=str(tmp_path / "run"), initialize=init
    )
    try:
        workflow.initialize()
        assert workflow.check_properties() == []
    finally:
        dist.destroy_process_group()


def test_inference_passes_monais_check_of_properties(volume, tmp_path):
    workflow = ConfigWorkflow(
        str(PRETRAIN / "inference.json"),
        workflow_type="inference",
        logging_file=False,
        volume=str(volume),
        out=str(tmp_path / "out.h5"),
        checkpoint=str(tmp_path / "none.pt"),
    )
    workflow.initialize()
    assert workflow.check_properties() == []


def test_the_metadata_is_what_the_zoo_asks_for():
    metadata = json.loads((PRETRAIN / "metadata.json").read_text())
    needed = {"version", "changelog", "monai_version", "pytorch_version", "numpy_version", "required_packages_version"}
    needed |= {"schema", "name", "task", "description", "authors", "copyright", "network_data_format", "intended_use"}
    jsonschema.validate(metadata, {"type": "object", "required": sorted(needed)})
    assert metadata["version"] in metadata["changelog"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", metadata["pytorch_version"])
    assert metadata["schema"].endswith("meta_schema_20240725.json")
    assert "image" in metadata["network_data_format"]["inputs"]
    assert "pred" in metadata["network_data_format"]["outputs"]


@pytest.mark.parametrize("name", ["train", "inference"])
def test_the_network_takes_and_gives_what_the_metadata_states(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    verify_net_in_out(
        net_id="network_def", meta_file=str(PRETRAIN / "metadata.json"), config_file=str(PRETRAIN / f"{name}.json"), n=2
    )


def test_the_published_rate_is_the_authors():
    overlay = json.loads((PRETRAIN / "as_published.json").read_text())
    batch = json.loads((PRETRAIN / "train.json").read_text())["batch"]
    assert overlay["base_lr"] * batch / 256 == pytest.approx(1e-4)


DOCUMENTS = [
    path
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "bundles").glob("*/docs/*.md")]
    if path.exists()
]


def commands(text: str) -> Iterator[tuple[list[str], set[str]]]:
    """(config files, option names) of every `monai.bundle run` a text shows."""
    joined = text.replace("\\\n", " ")
    for line in joined.splitlines():
        if "monai.bundle run" in line and "--config_file" in line:
            after = line.split("monai.bundle run", 1)[1]
            yield (
                re.findall(r"[\w./-]+\.json", after.split("--config_file", 1)[1].split(" --")[0]),
                {name.replace("::", "#").split("#")[0] for name in re.findall(r"--([A-Za-z_][\w#:]*)", after)},
            )


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_option_a_document_shows_exists_in_the_config_it_runs(document):
    own = {"config_file", "meta_file", "logging_file", "run_id", "init_id", "final_id", "args_file", "tracking"}
    bundle = document.parents[1] if document.parent.name == "docs" else ROOT
    for files, options in commands(document.read_text()):
        known: set[str] = set()
        for file in files:
            here = next((base / file for base in (ROOT, bundle) if (base / file).exists()), None)
            assert here is not None, f"{document.name}: there is no {file}"
            known |= json.loads(here.read_text()).keys()
        assert options - own <= known, f"{document.name}: {sorted(options - own - known)} in no config of {files}"


def test_the_reader_of_commands_finds_options_over_several_lines():
    text = (
        "python -m monai.bundle run \\\n  --config_file \"['a.json','b.json']\" \\\n  --volumes my.h5:raw --train#x 1"
    )
    assert list(commands(text)) == [(["a.json", "b.json"], {"config_file", "volumes", "train"})]
