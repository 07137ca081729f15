"""What data and weights from elsewhere must not be able to do. What no code may do: tests/test_forbidden_code.py.

Tested elsewhere: all addresses are https, redirections of SecureRedirects, links, devices and paths in archives, and
checksums (tests/data/test_download.py, tests/weights/test_fetch.py), document types of annotations
(tests/data/test_prepare_voc12.py), unusable ids of lists (tests/common/files/test_dataset.py), and what readers and
commands say to such input (tests/test_bad_files.py, tests/test_bad_input.py).
"""

import io
import ssl
import tarfile
import urllib.request
from email.message import Message
from pathlib import Path
from urllib.response import addinfourl

import pytest
import torch
from PIL import ImageFile

from common.files import images
from common.files.dataset import DataSet
from common.training import checkpoint
from data import check, prepare_voc12
from data import download as downloads
from data.download import Archive, download, extract, fetch
from stages.files import InputError
from tests.damage import bomb
from weights import fetch as weights

ROOT = Path(__file__).resolve().parents[1]

# Downloads


@pytest.fixture
def redirecting(monkeypatch):
    """All of https redirects to `redirecting["to"]`; opening anything else fails the test."""
    monkeypatch.setattr(downloads, "PAUSE", 0)
    answer = {"to": "http://example.org/evil", "contexts": []}

    def https_open(self, request):
        answer["contexts"].append(self._context)
        headers = Message()
        headers["Location"] = answer["to"]
        response = addinfourl(io.BytesIO(), headers, request.full_url, 302)
        response.msg = "Found"
        return response

    def fail(self, request):
        pytest.fail(f"{request.full_url} was opened")

    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", https_open)
    for handler, method in (("HTTP", "http_open"), ("FTP", "ftp_open"), ("File", "file_open"), ("Data", "data_open")):
        monkeypatch.setattr(getattr(urllib.request, f"{handler}Handler"), method, fail)
    return answer


TARGETS = ["http://example.org/evil", "ftp://example.org/evil", "file:///etc/passwd", "data:,evil", "//[", "HTTP://x/"]


@pytest.mark.parametrize("target", TARGETS)
def test_no_download_follows_a_redirection_away_from_https(redirecting, tmp_path, target):
    redirecting["to"] = target
    refusal = {"//[": "no address", "file:///etc/passwd": "not allowed", "data:,evil": "not allowed"}.get(
        target, "not https"
    )
    with pytest.raises(InputError, match=f"https://example.org/a.tar: .*{refusal}") as error:
        download("https://example.org/a.tar", tmp_path / "a.tar")
    assert len(str(error.value).splitlines()) == 1
    with pytest.raises(InputError, match=f"^{weights.SOURCES['vgg16'].url}: .*{refusal}"):
        weights.fetch("vgg16", tmp_path / "vgg16.pth")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", ["many", "-1", "9" * 5000, "²"])
def test_a_length_that_is_none_is_passed_over(monkeypatch, tmp_path, length):
    response = addinfourl(io.BytesIO(b"content"), {"Content-Length": length}, "", 200)
    monkeypatch.setattr(urllib.request.OpenerDirector, "open", lambda *args, **options: response)
    download("https://example.org/a.tar", tmp_path / "a.tar")
    assert (tmp_path / "a.tar").read_bytes() == b"content"


def test_certificates_are_checked(redirecting, tmp_path):
    with pytest.raises(InputError):
        download("https://example.org/a.tar", tmp_path / "a.tar")
    for context in redirecting["contexts"]:  # None: the default of Python, which checks them
        assert context is None or (context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname)
    default = ssl.create_default_context()
    assert default.verify_mode == ssl.CERT_REQUIRED and default.check_hostname and redirecting["contexts"]


def test_an_archive_of_another_checksum_is_not_extracted(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"evil")
    for archive, sha256 in (
        (Archive("https://x/a.tar", "0" * 32, "a"), None),
        (Archive("https://x/a.tar", None, "a"), "0" * 64),
    ):
        with pytest.raises(InputError, match="a.tar: expected .* 0+, found"):
            fetch(archive, tmp_path, sha256)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


# Archives


def test_a_gzip_bomb_is_refused_before_it_is_written(tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        member = tarfile.TarInfo("zeros")
        member.size = 10**8
        archive.addfile(member, Zeros(member.size))
    assert (tmp_path / "a.tar.gz").stat().st_size < 10**6
    with pytest.raises(InputError, match="a.tar.gz: holds more than is allowed, at 'zeros'"):
        extract(tmp_path / "a.tar.gz", tmp_path / "out", limit=10**7)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


class Zeros(io.RawIOBase):
    """A file of zeros."""

    def __init__(self, size):
        self.size = size

    def read(self, count):
        return bytes(count)


@pytest.mark.parametrize("kind", [b"L", b"K", b"x", b"g"])
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path, kind):
    header = tarfile.TarInfo("name")
    header.type, header.size = kind, 10**12
    (tmp_path / "a.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    with pytest.raises(InputError, match="a.tar: cannot be extracted .a header of 1000000000000 bytes"):
        extract(tmp_path / "a.tar", tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


NAMES = ["../evil", "a/../../evil", "/evil", "..", "a/..", "./../evil", "a\0/../../evil"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_no_name_of_a_member_leads_outside(tmp_path, name, format):
    with tarfile.open(tmp_path / "a.tar", "w", format=format) as archive:
        member = tarfile.TarInfo(name)
        member.size = 4
        member.pax_headers = {"path": name} if format == tarfile.PAX_FORMAT else {}
        archive.addfile(member, io.BytesIO(b"evil"))
    folder = tmp_path / "deep/out"
    try:
        extract(tmp_path / "a.tar", folder)
    except InputError:
        assert not folder.exists()
    assert all(folder in path.parents for path in tmp_path.rglob("*") if path.is_file() and path.name != "a.tar")
    assert not Path("/evil").exists()


# Weights


class Evil:
    """A pickle of it creates a file when it is read, if it is."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("place", ["whole", "arch", "tensor", "unread"])
def test_code_in_weights_is_not_executed(tmp_path, legacy, place):
    evil = Evil(tmp_path / "executed")
    contents = {"whole": evil, "arch": {"arch": evil}, "tensor": {"state_dict": {"a": evil}}, "unread": {"note": evil}}
    torch.save(contents[place], tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match="a.pth: expected a PyTorch weight file .tensors and plain values only"):
        checkpoint.load(tmp_path / "a.pth")
    with pytest.raises(InputError, match="here: expected a PyTorch weight file"):
        weights.check(tmp_path / "a.pth", weights.SOURCES["vgg16"], "here")
    assert not evil.path.exists()
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert evil.path.exists(), "the file does not do what it should do"


# Ids and paths

IDS = ["../bait", "sub/bait", "{root}/bait", "..", ".", ".bait", "-bait", "--force", "a\\bait", "a\0bait", "~bait",
       "$HOME", "a;bait", "a" * 201, "ａ", "a\u202ebait"]  # fmt: skip


@pytest.mark.parametrize("id", IDS)
def test_no_id_is_used_as_a_path_unchecked(tiny_data, tmp_path, monkeypatch, id, capsys):
    id = id.format(root=tmp_path)
    opened = []
    monkeypatch.setattr(images.Image, "open", lambda path, **_: opened.append(Path(path)) or pytest.fail("opened"))
    monkeypatch.setattr(DataSet, "image_path", lambda self, id: opened.append(id))
    (tiny_data / "lists/evil.txt").write_text(f"{id} 0\n", encoding="utf-8")
    with pytest.raises(InputError, match="evil.txt line 1: expected an id"):
        DataSet(tiny_data).split("evil")
    with pytest.raises(InputError, match="evil.txt: expected one id a line"):
        (tiny_data / "lists/evil.txt").write_text(f"{id}\n", encoding="utf-8")
        prepare_voc12.read_ids(tiny_data / "lists/evil.txt")
    for path in (tiny_data / "lists").glob("[tv]*.txt"):
        path.unlink()
    assert not check.check(tiny_data, 1)
    assert "lines that cannot be used: 1" in capsys.readouterr().out and not opened


@pytest.mark.parametrize("name", ["../lists/train", "/etc/passwd", "", ".", "..", "a/b", "a\0b", "-x"])
def test_no_split_is_a_path(tiny_data, name):
    with pytest.raises(InputError, match="--split: expected the name of a list"):
        DataSet(tiny_data).split(name)


# Images and XML

READERS = {0: [images.read_rgb, images.read_grey, images.image_size], 3: [images.read_rgb, images.read_indexed]}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8193, 10000, 60000])
@pytest.mark.parametrize("colour, read", [(colour, read) for colour, readers in READERS.items() for read in readers])
def test_a_decompression_bomb_is_refused_before_a_pixel_is_decoded(tmp_path, monkeypatch, side, colour, read):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    bomb(tmp_path / "a.png", side, colour)
    assert (tmp_path / "a.png").stat().st_size < 200
    with pytest.raises(InputError, match="a.png: expected at most 67108864 pixels") as error:
        read(tmp_path / "a.png")
    assert len(str(error.value).splitlines()) == 1


def test_the_largest_image_that_is_allowed_is_opened(tmp_path):
    bomb(tmp_path / "a.png", 8192)
    assert images.image_size(tmp_path / "a.png") == (8192, 8192)


LAUGHS = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
OBJECT = "<annotation><object><name>{}</name></object></annotation>"
XMLS = {
    "a billion laughs": f'<!DOCTYPE a [<!ENTITY a0 "ha">{LAUGHS}]>{OBJECT.format("&a9;")}',
    "quadratic": f'<!DOCTYPE a [<!ENTITY a0 "{"ha" * 50000}">]>{OBJECT.format("&a0;" * 50000)}',
    "a file": f'<!DOCTYPE a [<!ENTITY a0 SYSTEM "file:///etc/passwd">]>{OBJECT.format("&a0;")}',
    "another document": f'<!DOCTYPE a SYSTEM "https://example.org/evil.dtd">{OBJECT.format("dog")}',
    "deep": "<annotation>" + "<object>" * 200_000 + "</object>" * 200_000 + "</annotation>",
}


@pytest.mark.parametrize("kind", XMLS)
def test_xml_that_grows_is_refused(tmp_path, kind):
    (tmp_path / "a.xml").write_text(XMLS[kind])
    with pytest.raises(InputError, match="a.xml: expected") as error:
        prepare_voc12.objects_in_xml(tmp_path / "a.xml")
    assert len(str(error.value).splitlines()) == 1
    assert ("a document type declaration" in str(error.value)) == (kind != "deep")  # before anything can grow
