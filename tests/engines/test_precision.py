"""Precision "auto" is bf16 only where the hardware has it; an emulated bf16 is announced."""

import pytest
import torch

from scripts.engines import precision
from scripts.engines.precision import chosen_precision, has_bf16


def test_auto_is_bf16_on_a_gpu_and_where_the_processor_has_it():
    assert chosen_precision("auto", torch.device("cuda")) == "bf16"
    assert chosen_precision("auto", torch.device("cpu")) == ("bf16" if has_bf16() else "fp32")


def test_the_processor_is_asked_for_the_instructions_that_torch_uses():
    flags = torch.cpu.get_capabilities()
    assert has_bf16() == bool(flags.get("avx512_bf16") or flags.get("amx_bf16"))


def test_crops_of_two_sections_train_in_fp32_on_a_cpu_whose_gradients_in_bf16_would_be_wrong():
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    assert chosen_precision("auto", cpu, crop=[2, 24, 24]) == "fp32"
    assert chosen_precision("auto", cuda, crop=[2, 24, 24]) == "bf16"
    assert chosen_precision("auto", cpu, crop=[3, 24, 24]) == chosen_precision("auto", cpu)
    with pytest.raises(
        ValueError, match=r"--precision bf16 with crops of 2 sections: .* use --precision fp32 or larger"
    ):
        chosen_precision("bf16", cpu, crop=[2, 24, 24])


@pytest.mark.parametrize("asked", ["fp32", "bf16", "fp16"])
def test_what_was_asked_for_stays(asked):
    assert chosen_precision(asked, torch.device("cpu"), rank=1) == asked


def test_an_emulated_bf16_is_announced_once_by_the_first_process(capsys, monkeypatch):
    monkeypatch.setattr(precision, "BF16_INSTRUCTIONS", ())  # a processor without them
    chosen_precision("bf16", torch.device("cpu"), rank=1)
    chosen_precision("auto", torch.device("cpu"))
    chosen_precision("fp32", torch.device("cpu"))
    assert capsys.readouterr().out == ""
    chosen_precision("bf16", torch.device("cpu"))
    assert "20 to 50 times slower than --precision fp32" in capsys.readouterr().out
