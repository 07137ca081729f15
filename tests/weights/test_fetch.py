"""weights.fetch, on a connection that is made up here."""

import hashlib
import io
import sys

import pytest
import torch

from data import download
from stages.files import InputError
from weights import fetch


def saved(content, legacy=False):
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


PUBLISHED = {"base.layer1.conv1.conv.weight": torch.ones(4, 3, 7, 7), "base.aspp.c3.weight": torch.ones(21, 8, 3, 3)}
CONTENT = saved(PUBLISHED)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URL = "https://example.org/tiny.pth"


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Puts `tiny` and, without a published hash, `bare` into the table; any address sends `served["body"]`.

    An exception is raised. The current folder has a folder weights/.
    """
    answer = {"body": CONTENT, "requests": []}

    def receive(url, part):
        answer["requests"].append(url)
        if isinstance(answer["body"], Exception):
            raise answer["body"]
        part.write_bytes(answer["body"])

    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setattr(download, "receive", receive)
    for name, sha256 in (("tiny", SHA256), ("bare", None)):
        source = fetch.Source(f"{URL}/{name}", sha256, "caffe", "aspp.c3.weight", "walk" if name == "bare" else "")
        monkeypatch.setitem(fetch.WEIGHTS, name, source)
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    return answer


@pytest.fixture
def command(monkeypatch, capsys):
    """Runs the command: (exit status, stdout, stderr)."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["fetch", *words])
        try:
            fetch.main()
            status = 0
        except SystemExit as end:
            status = end.code
        return status, *capsys.readouterr()

    return run


def test_fetches_once_the_least_certain_first(served, command, tmp_path):
    status, said, _ = command("tiny", "bare")
    assert status == 0 and f"{URL}/tiny -> weights/tiny.pth, SHA-256 {SHA256}\n" in said
    assert (tmp_path / "weights/tiny.pth").read_bytes() == CONTENT
    assert served["requests"] == [f"{URL}/bare", f"{URL}/tiny"]
    status, said, _ = command("tiny", "bare")
    assert status == 0 and said.count("is there already") == len(served["requests"]) == 2
    names = {f"{name}.pth{ending}" for name in ("tiny", "bare") for ending in ("", ".sha256")}
    assert {path.name for path in (tmp_path / "weights").iterdir()} == names


def test_a_pinned_hash_holds_from_the_start(served, command, tmp_path):
    status, _, error = command("bare", "--sha256", "0" * 64)
    assert status == 2 and "0" * 64 in error and not list((tmp_path / "weights").iterdir())
    assert command("bare", "--sha256", SHA256.upper())[0] == 0
    with pytest.raises(InputError, match="expected the hash 00000000"):
        fetch.fetch("bare", tmp_path / "weights/bare.pth", pinned="0" * 64)
    assert "--sha256: expected 64 hexadecimal digits" in command("bare", "--sha256", "12")[2]


TORCHVISION = saved({"layer1.0.conv3.weight": torch.ones(1), "aspp.c3.weight": torch.ones(1)})
UNFIT = {
    "page": b"<!DOCTYPE html><html><body>moved</body></html>",
    "cut": CONTENT[:-100],
    "cut, of old PyTorch": saved(PUBLISHED, legacy=True)[:-100],
    "other convention": TORCHVISION,
    "other network": saved({"layer1.conv1.conv.weight": torch.ones(1)}),
}


@pytest.mark.parametrize("body", UNFIT.values(), ids=UNFIT)
def test_what_is_not_the_named_weights_is_not_kept(served, tmp_path, body):
    served["body"], out = body, tmp_path / "bare.pth"
    with pytest.raises(InputError, match=f"^{URL}/bare: .*expected .*or walk$") as error:
        fetch.fetch("bare", out)
    assert len(str(error.value).splitlines()) == 1 and [path.name for path in tmp_path.iterdir()] == ["weights"]
    out.write_bytes(body)  # put there by hand
    with pytest.raises(InputError, match="bare.pth: expected"):
        fetch.fetch("bare", out)
    assert out.exists() and not download.recorded(out)


@pytest.mark.parametrize("option", [("--out", "a.pth"), ("--sha256", SHA256)])
def test_several_names_have_no_one_file(served, command, option):
    status, _, error = command("bare", "tiny", *option)
    assert status == 2 and f"{option[0]}: expected one name beside it" in error and not served["requests"]


def test_table_is_https_and_torchvisions_first_weights():
    from torchvision.models import ResNet50_Weights, ResNet101_Weights, VGG16_Weights

    assert all(source.url.startswith("https://") for source in fetch.SOURCES.values())
    assert {name for name, source in fetch.SOURCES.items() if not source.sha256} == {"coco_resnet101", "nsrom_voc12"}
    assert fetch.SOURCES["resnet50"].url == ResNet50_Weights.IMAGENET1K_V1.url
    assert fetch.SOURCES["resnet101"].url == ResNet101_Weights.IMAGENET1K_V1.url
    assert fetch.SOURCES["vgg16"].url == VGG16_Weights.IMAGENET1K_V1.url
    for name in ("resnet50", "resnet101", "vgg16"):  # the file names hold the first digits
        source = fetch.SOURCES[name]
        assert source.url.endswith(f"-{source.sha256[:8]}.pth") and len(source.sha256) == 64


@pytest.mark.parametrize("name", fetch.SOURCES)
def test_each_table_entry_knows_its_network(name, tmp_path):
    """The real networks' names, with tensors that hold nothing."""
    from torchvision.models import resnet50, resnet101, vgg16

    from seg.deeplab import MultiScale, build

    with torch.device("meta"):
        deeplab = build(backbone="resnet101", classes=20, convention="caffe")
        networks = {"vgg16": vgg16(), "resnet50": resnet50(), "resnet101": resnet101()}
        networks["nsrom_voc12"] = MultiScale(deeplab)
        states = {key: network.state_dict() for key, network in networks.items()}
    backbone = {key: tensor for key, tensor in deeplab.state_dict().items() if not key.startswith("aspp.")}
    states["coco_resnet101"] = {**backbone, "fc.weight": torch.ones(1)}
    # the second has all that the first has; ResNet-50 has a published hash
    within = {("coco_resnet101", "nsrom_voc12"), ("resnet50", "resnet101")}
    for key, state in states.items():
        path = tmp_path / f"{key}.pth"
        torch.save(dict.fromkeys(state, torch.ones(1)), path)
        if key == name or (name, key) in within:
            fetch.check_network(path, fetch.SOURCES[name])
        else:
            with pytest.raises(InputError, match="pth: expected"):
                fetch.check_network(path, fetch.SOURCES[name])
