"""common.nets.portable: weight files as safetensors hold what the .pth holds, and bad ones are refused in one line."""

import json
import struct

import pytest
import torch
from safetensors.torch import save

from common.nets import portable
from common.training import checkpoint
from seg.deeplab import MultiScale, build
from stages.files import InputError

ARCH = {"backbone": "vgg16", "classes": 3, "class_names": ["disc", "square", "bar"], "channels": [4] * 5}
ARCH |= {"depths": [1] * 5, "batch_norm": True, "fc_channels": 4, "rates": [1], "convention": "torchvision"}


@pytest.fixture
def content():
    """The content of a weight file of a tiny DeepLab."""
    torch.manual_seed(0)
    return {"arch": ARCH, "pyramid": [0.5, 0.1], "state_dict": MultiScale(build(**ARCH)).state_dict()}


def assert_equal(found, expected):
    assert {name: value for name, value in found.items() if name != "state_dict"} == {
        name: value for name, value in expected.items() if name != "state_dict"
    }
    assert found["state_dict"].keys() == expected["state_dict"].keys()
    for name, tensor in expected["state_dict"].items():
        assert found["state_dict"][name].dtype == tensor.dtype and torch.equal(found["state_dict"][name], tensor), name


def test_the_file_holds_tensors_and_description_of_the_pth(tmp_path, content):
    checkpoint.save(tmp_path / "weights.pth", **content)
    content = checkpoint.load(tmp_path / "weights.pth")
    portable.write(tmp_path / "a.safetensors", content, {"command": "seg.train"})
    assert_equal(checkpoint.load(tmp_path / "a.safetensors"), content)
    assert any(tensor.dtype == torch.int64 for tensor in content["state_dict"].values())  # num_batches_tracked
    assert any(name.startswith("base.") for name in content["state_dict"])


def test_tied_and_strided_tensors_and_single_numbers_are_kept(tmp_path):
    matrix = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    tensors = {"a": matrix, "tied": matrix, "t": matrix.T, "part": matrix[1:, ::2], "count": torch.tensor(7)}
    tensors |= {"empty": torch.zeros(0, 3), "wide": torch.ones(1, 3).expand(2, 3), "module.base.a": matrix}
    portable.write(tmp_path / "a.safetensors", {"state_dict": tensors}, {})
    assert_equal(checkpoint.load(tmp_path / "a.safetensors"), {"state_dict": tensors})


def test_the_same_weights_give_the_same_bytes(tmp_path, content):
    found = set()
    for number in range(8):
        portable.write(tmp_path / f"{number}.safetensors", content, {"command": "seg.train", "seed": 3})
        found.add((tmp_path / f"{number}.safetensors").read_bytes())
    assert len(found) == 1


@pytest.mark.parametrize(
    "content, message",
    [
        ({}, "expected tensors as its state_dict"),
        ({"state_dict": {"a": 1}}, "expected tensors as its state_dict"),
        ({"state_dict": {"a": torch.ones(2, dtype=torch.bfloat16)}}, "a: expected numbers of float32 or int64"),
        ({"state_dict": {"a": torch.ones(2)}, "arch": {"a": torch.ones(2)}}, "expected plain values beside"),
        ({"state_dict": {"a": torch.ones(2)}, "pyramid": [float("nan")]}, "expected plain values beside"),
    ],
)
def test_what_the_form_cannot_hold_is_not_written(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        portable.write(tmp_path / "a.safetensors", content, {})
    assert not list(tmp_path.iterdir())


def raw(header, data=b"", length=None):
    """A file with this header, JSON or bytes, which says that it has `length` bytes."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def one(dtype, shape, end, data):
    return raw({"a": {"dtype": dtype, "shape": shape, "data_offsets": [0, end]}}, data)


def described(text):
    return save({"a": torch.ones(2)}, {"description": text})


BAD = {
    "empty": (b"", "expected a safetensors file"),
    "a header beyond the file": (raw({}, length=10**6), "expected a safetensors file"),
    "deep JSON": (raw(b'{"__metadata__":' + b'{"a":' * 10**5), "expected a safetensors file"),
    "too little data": (one("F32", [4], 16, bytes(8)), "expected a safetensors file"),
    "a size that overflows": (one("F32", [2**62, 4], 8, bytes(8)), "expected a safetensors file"),
    "bfloat16": (one("BF16", [2], 4, bytes(4)), "a: expected numbers of float32 or int64, found bfloat16"),
    "NaN": (one("F32", [1], 4, struct.pack("<f", float("nan"))), "expected finite numbers, found NaN or infinity in a"),
    "a description that is no JSON": (described("arch"), "expected a description as "),
    "a deep description": (described("[" * 10**5), "expected a description as "),
    "another description": (described('{"content": []}'), "expected a description as "),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file_is_refused_in_one_line(tmp_path, kind):
    data, message = BAD[kind]
    (tmp_path / "a.safetensors").write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        checkpoint.load(tmp_path / "a.safetensors")
    assert str(error.value).startswith(str(tmp_path / "a.safetensors")) and len(str(error.value).splitlines()) == 1
