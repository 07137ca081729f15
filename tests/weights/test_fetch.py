"""weights.fetch, with the real download function on a connection that is made up here."""

import hashlib
import io
import sys
from http.client import IncompleteRead
from urllib.error import HTTPError, URLError
from urllib.request import OpenerDirector

import pytest
import torch

from data import addresses, download
from stages.files import InputError
from weights import fetch


def saved(content, legacy=False):
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


PUBLISHED = {"base.layer1.conv1.conv.weight": torch.ones(4, 3, 7, 7), "base.aspp.c3.weight": torch.ones(21, 8, 3, 3)}
CONTENT = saved(PUBLISHED)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = saved({name: 2 * tensor for name, tensor in PUBLISHED.items()})
URL = "https://example.org/tiny.pth"


class Response(io.BytesIO):
    def __init__(self, body):
        super().__init__(body)
        self.status, self.headers = 200, {"Content-Length": str(len(body))}


@pytest.fixture
def served(monkeypatch):
    """Puts `tiny` and, without a published hash, `bare` into the table; answers requests with `served["body"]`.

    An exception is raised, and again each time that it is tried again.
    """
    monkeypatch.setattr(download, "PAUSE", 0)
    answer = {"body": CONTENT, "requests": [], "asked": []}

    def open(self, request, timeout):
        answer["asked" if request.get_header("Range") == "bytes=0-0" else "requests"].append(request.full_url)
        if isinstance(answer["body"], Exception):
            raise answer["body"]
        if request.full_url in answer.get("dead", ()):
            raise HTTPError(request.full_url, 404, "Not Found", {}, None)
        return Response(answer["body"])

    monkeypatch.setattr(OpenerDirector, "open", open)
    for name, sha256 in (("tiny", SHA256[:8]), ("bare", None)):
        monkeypatch.setitem(fetch.SOURCES, name, fetch.Source(URL, sha256, "caffe", "aspp.c3.weight"))
    return answer


def test_fetches_once(served, tmp_path):
    out = tmp_path / "tiny.pth"
    assert URL in fetch.fetch("tiny", out)
    assert out.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [out]
    assert "already" in fetch.fetch("tiny", out)
    assert served["requests"] == [URL]


FAILURES = [CONTENT[:-1], b"<html>moved</html>", URLError("no network"), TimeoutError("timed out"), IncompleteRead(b"")]


@pytest.mark.parametrize("body", FAILURES)
def test_failed_download_leaves_nothing(served, tmp_path, body):
    served["body"] = body
    with pytest.raises(InputError, match=URL):
        fetch.fetch("tiny", tmp_path / "tiny.pth")
    assert list(tmp_path.iterdir()) == []


def test_another_file_is_refused_and_replaced_only_by_force(served, tmp_path):
    out = tmp_path / "tiny.pth"
    out.write_bytes(b"mine")
    with pytest.raises(InputError, match=f"tiny.pth: expected SHA-256 {SHA256[:8]}"):
        fetch.fetch("tiny", out)
    assert (out.read_bytes(), served["requests"]) == (b"mine", [])
    served["body"] = b"broken"
    with pytest.raises(InputError):
        fetch.fetch("tiny", out, force=True)
    assert out.read_bytes() == b"mine"
    served["body"] = CONTENT
    fetch.fetch("tiny", out, force=True)
    assert out.read_bytes() == CONTENT


def test_a_download_that_was_interrupted_goes_on(served, tmp_path):
    (tmp_path / "tiny.pth.partial").write_bytes(b"something else")  # the server sends no part, but all of it
    fetch.fetch("tiny", tmp_path / "tiny.pth")
    assert (tmp_path / "tiny.pth").read_bytes() == CONTENT and len(list(tmp_path.iterdir())) == 1


def test_missing_folder_is_named(served, tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path / 'none'}: no such folder"):
        fetch.fetch("tiny", tmp_path / "none" / "tiny.pth")
    with pytest.raises(InputError, match="bare.json: expected a name that ends in .pth"):
        fetch.fetch("bare", tmp_path / "bare.json")


# Weights without a published hash


def test_the_first_hash_is_kept_and_holds_from_then_on(served, tmp_path):
    out, record = tmp_path / "bare.pth", tmp_path / "bare.pth.sha256"
    assert SHA256 in fetch.fetch("bare", out)
    assert record.read_text() == f"{SHA256}  bare.pth\n"
    assert f"{SHA256} as expected" in fetch.fetch("bare", out)
    out.write_bytes(OTHER)
    with pytest.raises(InputError, match=f"bare.pth: expected SHA-256 {SHA256[:8]}"):
        fetch.fetch("bare", out)
    out.unlink()
    served["body"] = OTHER
    with pytest.raises(InputError, match=f"{URL}: expected SHA-256 {SHA256}, as {record} has it"):
        fetch.fetch("bare", out)
    assert list(tmp_path.iterdir()) == [record]
    other = hashlib.sha256(OTHER).hexdigest()
    fetch.fetch("bare", out, pinned=other)
    assert record.read_text().startswith(other)


def test_a_pinned_hash_holds_from_the_start(served, tmp_path):
    out = tmp_path / "bare.pth"
    with pytest.raises(InputError, match=f"{URL}: expected SHA-256 0{{64}}, found {SHA256}"):
        fetch.fetch("bare", out, pinned="0" * 64)
    assert list(tmp_path.iterdir()) == []
    fetch.fetch("bare", out, pinned=SHA256)
    with pytest.raises(InputError, match="expected SHA-256 00000000"):
        fetch.fetch("bare", out, pinned="0" * 64)
    assert out.read_bytes() == CONTENT


TORCHVISION = saved({"layer1.0.conv3.weight": torch.ones(1), "aspp.c3.weight": torch.ones(1)})
UNFIT = {
    "page": b"<!DOCTYPE html><html><body>moved</body></html>",
    "xml": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "empty": b"",
    "cut": CONTENT[:-100],
    "cut, of old PyTorch": saved(PUBLISHED, legacy=True)[:-100],
    "other convention": TORCHVISION,
    "other network": saved({"layer1.conv1.conv.weight": torch.ones(1)}),
}


@pytest.mark.parametrize("body", UNFIT.values(), ids=UNFIT)
def test_what_is_not_the_named_weights_is_not_kept(served, tmp_path, body):
    served["body"] = body
    with pytest.raises(InputError, match=f"^{URL}: expected") as error:
        fetch.fetch("bare", tmp_path / "bare.pth")
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []
    (tmp_path / "bare.pth").write_bytes(body)  # put there by hand
    with pytest.raises(InputError, match="bare.pth: expected"):
        fetch.fetch("bare", tmp_path / "bare.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["bare.pth"]


def test_a_copy_from_elsewhere_is_recorded(served, tmp_path):
    (tmp_path / "bare.pth").write_bytes(saved(PUBLISHED, legacy=True))
    assert "is there already, SHA-256" in fetch.fetch("bare", tmp_path / "bare.pth")
    assert download.recorded(tmp_path / "bare.pth") and not served["requests"]
    (tmp_path / "bare.pth.sha256").write_text("12  bare.pth\n")
    with pytest.raises(InputError, match="bare.pth.sha256: expected a SHA-256 and a file's name"):
        fetch.fetch("bare", tmp_path / "bare.pth")


# The command


def test_default_file_is_weights_name(served, tmp_path, monkeypatch, capsys):
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fetch", "tiny"])
    fetch.main()
    assert (tmp_path / "weights" / "tiny.pth").read_bytes() == CONTENT
    assert "weights/tiny.pth" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["fetch", "bare", "--sha256", SHA256.upper()])
    fetch.main()
    assert SHA256 in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["fetch", "bare", "--sha256", "12"])
    with pytest.raises(SystemExit):
        fetch.main()
    assert "--sha256: expected 64 hexadecimal digits" in capsys.readouterr().err


def test_command_without_network(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setattr(sys, "argv", ["fetch", "vgg16", "--out", str(tmp_path / "vgg16.pth")])
    with pytest.raises(SystemExit, match="2"):
        fetch.main()
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 1 and "vgg16-397923af.pth" in said.err
    assert f"can be put at {tmp_path / 'vgg16.pth'}" in said.err and said.out.count("trying again") == 4
    assert list(tmp_path.iterdir()) == []


WAY = "./run_all.sh voc12 imagenet starts from ImageNet's weights"


@pytest.fixture
def command(served, tmp_path, monkeypatch, capsys):
    """Runs the command in a folder with weights/: (exit status, lines of stdout, stderr). `tiny` is elsewhere."""
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(addresses, "PAUSE", 0)
    other = fetch.Source(f"{URL}.gone", SHA256[:8], "caffe", "aspp.c3.weight", fetch.SOURCES["coco_resnet101"].instead)
    monkeypatch.setitem(fetch.SOURCES, "tiny", other)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["fetch", *words])
        try:
            fetch.main()
            status = 0
        except SystemExit as end:
            status = end.code
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err

    return run


def test_several_names_are_fetched_once_all_addresses_answer(served, command, tmp_path):
    status, lines, _ = command("bare", "tiny")
    assert status == 0 and [line.split(" -> ")[1][:16] for line in lines] == ["weights/bare.pth", "weights/tiny.pth"]
    assert served["requests"] == [URL, f"{URL}.gone"] and set(served["asked"]) == set(served["requests"])
    served["body"] = URLError("no network")  # what is there needs none
    status, lines, _ = command("bare", "tiny")
    assert status == 0 and all("is there already" in line for line in lines) and len(served["asked"]) == 2


def test_nothing_is_fetched_if_an_address_is_dead(served, command, tmp_path):
    served["dead"] = [f"{URL}.gone"]
    status, lines, said = command("bare", "tiny")
    assert status == 2 and not lines and len(said.splitlines()) == 1 and not served["requests"]
    assert f"1 of 2 files cannot be fetched, none was: {URL}.gone does not answer (HTTP Error 404: Not Found)" in said
    assert "can be put at weights/tiny.pth, or: " + WAY in said and not list((tmp_path / "weights").iterdir())
    status, lines, said = command("tiny")  # one name: no question before, the same way round
    assert status == 2 and WAY in said and "cannot be fetched" in said
    (tmp_path / "weights/tiny.pth").write_bytes(b"mine")
    status, _, said = command("tiny")
    assert status == 2 and WAY not in said  # the file is there; its content is the trouble


@pytest.mark.parametrize("option", [("--out", "a.pth"), ("--sha256", SHA256)])
def test_several_names_have_no_one_file(served, command, option):
    status, lines, said = command("bare", "tiny", *option)
    assert status == 2 and f"{option[0]}: expected one name beside it" in said and not served["asked"]


def test_table_is_https_and_torchvisions_first_weights():
    from torchvision.models import ResNet50_Weights, ResNet101_Weights, VGG16_Weights

    assert all(source.url.startswith("https://") for source in fetch.SOURCES.values())
    assert {name for name, source in fetch.SOURCES.items() if not source.sha256} == {"coco_resnet101", "nsrom_voc12"}
    assert fetch.SOURCES["resnet50"].url == ResNet50_Weights.IMAGENET1K_V1.url
    assert fetch.SOURCES["resnet101"].url == ResNet101_Weights.IMAGENET1K_V1.url
    assert fetch.SOURCES["vgg16"].url == VGG16_Weights.IMAGENET1K_V1.url
    for name in ("resnet50", "resnet101", "vgg16"):  # the hash is the end of torchvision's file names
        assert fetch.SOURCES[name].url.endswith(f"-{fetch.SOURCES[name].sha256}.pth")


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
    trunk = {key: tensor for key, tensor in deeplab.state_dict().items() if not key.startswith("aspp.")}
    states["coco_resnet101"] = {**trunk, "fc.weight": torch.ones(1)}
    # the second has all that the first has; ResNet-50 has a published hash
    within = {("coco_resnet101", "nsrom_voc12"), ("resnet50", "resnet101")}
    for key, state in states.items():
        path = tmp_path / f"{key}.pth"
        torch.save(dict.fromkeys(state, torch.ones(1)), path)
        if key == name or (name, key) in within:
            fetch.check(path, fetch.SOURCES[name], "here")
        else:
            with pytest.raises(InputError, match="here: expected"):
                fetch.check(path, fetch.SOURCES[name], "here")
