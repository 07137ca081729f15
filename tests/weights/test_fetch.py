"""weights.fetch, with torch's real download function on a connection that is made up here."""

import hashlib
import io
import sys
from email.message import Message
from http.client import IncompleteRead
from urllib.error import URLError

import pytest

from common.files import InputError
from weights import fetch

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URL = "https://example.org/tiny.pth"


class Response(io.BytesIO):
    def info(self):
        headers = Message()
        headers["Content-Length"] = str(len(CONTENT))
        return headers


@pytest.fixture
def served(monkeypatch):
    """Puts `tiny` into the table and answers requests with `served["body"]`, an exception if it is one."""
    from torch import hub

    answer = {"body": CONTENT, "requests": []}

    def urlopen(request, *args, **kwargs):
        answer["requests"].append(request.full_url)
        if isinstance(answer["body"], Exception):
            raise answer["body"]
        return Response(answer["body"])

    monkeypatch.setattr(hub, "urlopen", urlopen)
    monkeypatch.setitem(fetch.SOURCES, "tiny", fetch.Source(URL, SHA256[:8]))
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


def test_missing_folder_is_named(served, tmp_path):
    with pytest.raises(InputError, match=f"{tmp_path / 'none'}: no such folder"):
        fetch.fetch("tiny", tmp_path / "none" / "tiny.pth")


def test_default_file_is_weights_name(served, tmp_path, monkeypatch, capsys):
    (tmp_path / "weights").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["fetch", "tiny"])
    fetch.main()
    assert (tmp_path / "weights" / "tiny.pth").read_bytes() == CONTENT
    assert "weights/tiny.pth" in capsys.readouterr().out


def test_command_without_network(run_command, tmp_path, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens there
    monkeypatch.setenv("no_proxy", "")
    result = run_command("weights.fetch", "vgg16", "--out", tmp_path / "vgg16.pth")
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1 and "vgg16-397923af.pth" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_table_is_https_and_torchvisions_first_weights():
    from torchvision.models import ResNet101_Weights, VGG16_Weights

    assert all(source.url.startswith("https://") and len(source.sha256) >= 8 for source in fetch.SOURCES.values())
    assert fetch.SOURCES["resnet101"].url == ResNet101_Weights.IMAGENET1K_V1.url
    assert fetch.SOURCES["vgg16"].url == VGG16_Weights.IMAGENET1K_V1.url
