import pytest
import torch

from skcxr.networks._precision import has_bfloat16, resolve_precision

CPU = torch.device("cpu")


def pretend_to_have(monkeypatch, *, avx512_bf16=False, amx=False):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
@pytest.mark.parametrize("avx512_bf16", [True, False])
def test_an_explicit_precision_is_taken_on_any_processor(monkeypatch, name, avx512_bf16):
    pretend_to_have(monkeypatch, avx512_bf16=avx512_bf16)
    assert resolve_precision(name, CPU) == name


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx": True}, "bfloat16"),
        ({}, "float32"),
    ],
)
def test_auto_depends_on_the_processor(monkeypatch, processor, expected):
    pretend_to_have(monkeypatch, **processor)
    assert resolve_precision("auto", CPU) == expected


@pytest.mark.parametrize(
    ("capability", "expected"),
    [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")],
)
def test_auto_depends_on_the_gpu(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert resolve_precision("auto", torch.device("cuda")) == expected


def test_auto_is_float32_on_other_devices():
    assert resolve_precision("auto", torch.device("mps")) == "float32"


def test_this_processor_is_asked():
    assert isinstance(has_bfloat16(CPU), bool)
