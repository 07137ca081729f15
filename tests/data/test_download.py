"""data.download against a server on this machine that breaks off, ignores ranges, lies or refuses."""

import hashlib
import io
import shutil
import socket
import tarfile
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from data import addresses, prepare_voc12
from data import download as module
from data.download import ARCHIVES, Archive, download, extract, fetch, fetch_file, voc12_folders
from stages.files import InputError

CONTENT = bytes(range(256)) * 40


class Server(ThreadingHTTPServer):
    """Serves `files` {name: bytes}; `requests` logs (name, Range) of each request, `asked` the names of which a byte
    alone was asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests, self.asked = {}, [], []
        self.ranges = True  # whether it can send a part
        self.cuts = []  # of the answers to come: after how many bytes each breaks off
        self.statuses = []  # of the answers to come: errors instead of content

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name, wanted = self.path.lstrip("/"), self.headers.get("Range")
        if wanted == "bytes=0-0":
            self.server.asked.append(name)
            wanted = None  # as a server without ranges: all of it may come
        else:
            self.server.requests.append((name, wanted))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status != 200 or name not in self.server.files:
            return self.send_error(status if status != 200 else 404)
        content = self.server.files[name]
        start = int(wanted[len("bytes=") : -1]) if wanted and self.server.ranges else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            return self.end_headers()
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.cuts.pop(0) if self.server.cuts else None])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    for each in (module, addresses):
        monkeypatch.setattr(each, "PAUSE", 0)
        monkeypatch.setattr(each, "TIMEOUT", 3600)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def tar(path, members, mode="w"):
    """Writes a tar archive of {name: bytes or TarInfo}."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def test_table_is_https_and_agrees_with_torchvision():
    from torchvision.datasets import SBDataset
    from torchvision.datasets.voc import DATASET_YEAR_DICT

    assert all(archive.url.startswith("https://") for archive in ARCHIVES.values())
    assert ARCHIVES["devkit"].md5 == DATASET_YEAR_DICT["2012"]["md5"]
    assert ARCHIVES["sbd"].md5 == SBDataset.md5


def test_no_redirection_leaves_https():
    handler, request = addresses.SecureRedirects(), urllib.request.Request("https://example.org/a.tar")
    with pytest.raises(InputError, match="redirects to http://example.org/a.tar, which is not https"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://example.org/a.tar")
    assert handler.redirect_request(request, None, 302, "Found", {}, "https://example.org/b.tar")


def test_download_goes_on_where_it_broke_off(server, tmp_path):
    server.files["a"] = CONTENT
    server.cuts = [100] * 8  # more often than is allowed without progress
    download(server.url("a"), tmp_path / "new" / "a")
    assert (tmp_path / "new" / "a").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.requests] == [None, *(f"bytes={100 * n}-" for n in range(1, 9))]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a"]


def test_download_goes_on_with_an_earlier_run(server, tmp_path):
    server.files["a"] = CONTENT
    (tmp_path / "a.partial").write_bytes(CONTENT[:5000])
    download(server.url("a"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.requests == [("a", "bytes=5000-")]


@pytest.mark.parametrize(
    "left, ranges, requests", [(b"x" * 500, False, 1), (CONTENT + b"more", True, 2), (CONTENT, True, 1)]
)
def test_download_after_a_part_that_cannot_be_added_to(server, tmp_path, left, ranges, requests):
    server.files["a"], server.ranges = CONTENT, ranges
    (tmp_path / "a.partial").write_bytes(left)
    download(server.url("a"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT and len(server.requests) == requests


def test_download_gives_up_after_failures_without_progress_and_keeps_what_came(server, tmp_path):
    server.files["a"], server.cuts = CONTENT, [100] + [0] * 20
    with pytest.raises(InputError, match="cannot be fetched.*ended after 100 of 10240 bytes.*a copy from elsewhere"):
        download(server.url("a"), tmp_path / "a")
    assert len(server.requests) == 1 + module.FAILURES - 1  # the one that brought something counts as the first
    assert [path.name for path in tmp_path.iterdir()] == ["a.partial"]


def test_download_tries_again_after_a_server_error_but_not_after_a_refusal(server, tmp_path):
    server.files["a"], server.statuses = CONTENT, [503]
    download(server.url("a"), tmp_path / "a")
    with pytest.raises(InputError, match="404"):
        download(server.url("b"), tmp_path / "b")
    assert [name for name, _ in server.requests] == ["a", "a", "b"]


def test_download_without_a_server(tmp_path, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="cannot be fetched"):
        download(server.url("a"), tmp_path / "a")


def md5_of(content):
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def test_a_file_has_the_hashes_asked_for_or_is_not_taken(server, tmp_path):
    path, url = tmp_path / "a.tar", server.url("a.tar")
    server.files["a.tar"], sha256 = CONTENT, hashlib.sha256(CONTENT).hexdigest()
    for wrong in ({"md5": "0" * 32}, {"sha256": "0" * 64}, {"sha256": "0" * 8}, {"pinned": "0" * 64}):
        with pytest.raises(InputError, match=f"^{url}: expected .* 0+, found "):
            fetch_file(url, path, **wrong)
        assert not list(tmp_path.iterdir())
    for right in ({"md5": md5_of(CONTENT)}, {"sha256": sha256[:8]}):
        assert fetch_file(url, path, **right) == sha256
        assert [each.name for each in tmp_path.iterdir()] == ["a.tar"]
    with pytest.raises(InputError, match=f"^{path}: expected .*delete the file"):
        fetch_file(url, path, md5="0" * 32)
    assert path.read_bytes() == CONTENT


def test_a_hash_that_nobody_publishes_is_recorded_and_compared(server, tmp_path):
    path, url = tmp_path / "a.tar", server.url("a.tar")
    server.files["a.tar"], sha256 = CONTENT, hashlib.sha256(CONTENT).hexdigest()
    assert fetch_file(url, path) == fetch_file(url, path) == sha256
    assert (tmp_path / "a.tar.sha256").read_text() == f"{sha256}  a.tar\n"
    path.write_bytes(CONTENT[1:])
    with pytest.raises(InputError, match=f"^{path}: expected SHA-256 {sha256}, as .*a.tar.sha256 has it"):
        fetch_file(url, path)
    assert fetch_file(url, path, force=True) == sha256


@pytest.mark.parametrize("suffix, mode", [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz")])
def test_extract(tmp_path, suffix, mode):
    path = tar(tmp_path / f"a.{suffix}", {"./x/one.txt": b"1", "x/y/two.txt": CONTENT}, mode)
    extract(path, tmp_path / "all")
    assert (tmp_path / "all/x/one.txt").read_bytes() == b"1"
    assert (tmp_path / "all/x/y/two.txt").read_bytes() == CONTENT
    extract(path, tmp_path / "some", ["x/one.txt"])
    assert [file.name for file in (tmp_path / "some").rglob("*.txt")] == ["one.txt"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, "all", "some"]


def test_extract_asks_tarfiles_own_filter(tmp_path, monkeypatch):
    def refuse(member, folder):
        raise tarfile.TarError("asked")

    monkeypatch.setattr(tarfile, "data_filter", refuse, raising=False)
    with pytest.raises(InputError, match="asked"):
        extract(tar(tmp_path / "a.tar", {"x": b"1"}), tmp_path / "out")


def link(kind, target):
    member = tarfile.TarInfo("link")
    member.type, member.linkname = kind, target
    return member


EVIL = {
    "parent": ({"good": b"1", "../evil": b"2"}, "files and folders inside of it alone, found '../evil'"),
    "parent inside": ({"good": b"1", "a/../../evil": b"2"}, "inside of it alone, found 'a/../../evil'"),
    "absolute": ({"/tmp/nsrom_evil": b"2"}, "inside of it alone, found '/tmp/nsrom_evil'"),
    "symbolic link": ({"link": link(tarfile.SYMTYPE, "..")}, "found 'link'"),
    "hard link": ({"link": link(tarfile.LNKTYPE, "../a.tar")}, "found 'link'"),
    "device": ({"link": link(tarfile.CHRTYPE, "")}, "found 'link'"),
    "too large": ({"a": b"1" * 600, "b": b"2" * 600}, "holds more than is allowed, at 'b'"),
}


@pytest.mark.parametrize("data_filter", [True, False])  # that of Python 3.12, 3.11.4, 3.10.12
@pytest.mark.parametrize("kind", EVIL)
def test_extract_refuses_and_leaves_nothing(tmp_path, monkeypatch, kind, data_filter):
    members, message = EVIL[kind]
    if not data_filter:
        monkeypatch.delattr(tarfile, "data_filter", raising=False)
    path = tar(tmp_path / "a.tar", members)
    with pytest.raises(InputError, match=message):
        extract(path, tmp_path / "out", limit=1000)
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar"]


def damaged(path):
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # in gzip's checksum
    return bytes(content)


@pytest.mark.parametrize("damage", [lambda path: path.read_bytes()[:-100], damaged, lambda path: b"<html>"])
def test_extract_notices_a_damaged_archive(tmp_path, damage):
    path = tar(tmp_path / "a.tar.gz", {"x/one.txt": CONTENT, "x/two.txt": CONTENT}, "w:gz")
    path.write_bytes(damage(path))
    with pytest.raises(InputError, match="a.tar.gz: cannot be extracted.*delete the file"):
        extract(path, tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar.gz"]


def test_extract_notices_a_member_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="expected train.txt in it"):
        extract(tar(tmp_path / "a.tar", {"val.txt": b"1"}), tmp_path / "out", ["train.txt", "val.txt"])
    assert not (tmp_path / "out").exists()


def test_fetch_uses_what_is_there(server, tmp_path):
    archive = Archive(server.url("a.tar"), None, "a")
    server.files["a.tar"] = tar(tmp_path / "served", {"x": b"1"}).read_bytes()
    sha256 = hashlib.sha256(server.files["a.tar"]).hexdigest()
    downloads = tmp_path / "downloads"
    for pinned in (None, sha256):
        assert (fetch(archive, downloads, pinned) / "x").read_bytes() == b"1"
    with pytest.raises(InputError, match="expected content of SHA-256 f+, found " + sha256):
        fetch(archive, downloads, "f" * 64)
    (downloads / "a" / "x").unlink()
    (downloads / "a").rmdir()
    fetch(archive, downloads)  # from the archive
    assert len(server.requests) == 1


def test_fetch_refuses_another_file(server, tmp_path):
    server.files["a.tar"] = tar(tmp_path / "served", {"x": b"1"}).read_bytes()
    with pytest.raises(InputError, match="published MD5 0+"):
        fetch(Archive(server.url("a.tar"), "0" * 32, "a"), tmp_path / "downloads")
    assert not (tmp_path / "downloads/a").exists()


# Addresses that no longer answer


def test_an_address_is_asked_for_a_byte_and_twice_if_the_server_fails(server):
    server.files["a"], server.statuses = CONTENT, [503]
    assert addresses.problem(server.url("a")) is None and server.asked == ["a", "a"]
    server.statuses = [503, 502]
    assert addresses.problem(server.url("a")) == "HTTP Error 502: Bad Gateway"
    assert addresses.problem(server.url("b")) == "HTTP Error 404: Not Found" and server.asked.count("b") == 1
    assert not server.requests  # nothing is downloaded


def test_an_address_without_a_server(server):
    server.shutdown()
    server.server_close()
    assert "refused" in addresses.problem(server.url("a"))
    assert addresses.problem("http://[nowhere/a")


def test_an_address_that_is_silent(monkeypatch):
    monkeypatch.setattr(addresses, "PAUSE", 0)
    monkeypatch.setattr(addresses, "TIMEOUT", 0.1)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in addresses.problem(f"http://127.0.0.1:{silent.getsockname()[1]}/a")


def test_the_error_names_files_addresses_and_ways_round_in_one_line(server, tmp_path):
    server.files["a"] = CONTENT
    ways = {"a": "", "b": "walk", "c": ""}
    with pytest.raises(InputError, match="^2 of 3 files cannot be fetched, none was: ") as error:
        addresses.require(addresses.Wanted(tmp_path / name, server.url(name), way) for name, way in ways.items())
    assert "\n" not in str(error.value) and server.url("a") not in str(error.value)
    b, c = str(error.value).removeprefix("2 of 3 files cannot be fetched, none was: ").split(" -- ")
    assert b.startswith(f"{server.url('b')} does not answer (HTTP Error 404: Not Found); a copy")
    assert b.endswith(f"can be put at {tmp_path / 'b'}, or: walk") and c.endswith(f"can be put at {tmp_path / 'c'}")
    addresses.require([])


@pytest.fixture
def published(server, tiny_devkit, tmp_path, monkeypatch):
    """The three archives, in the shape of the real ones, on the server."""
    members = {
        "devkit": {path: f"VOCdevkit/VOC2012/{path.relative_to(tiny_devkit)}" for path in tiny_devkit.rglob("*.*")},
        "sbd": {path: f"benchmark_RELEASE/dataset/{path.name}" for path in (tmp_path / "sbd").iterdir()},
        "saliency": {path: f"saliency_aug/{path.name}" for path in (tmp_path / "saliency_aug").iterdir()},
    }
    for key, names in members.items():
        mode = "w" if key == "devkit" else "w:gz"
        content = {name: path.read_bytes() for path, name in names.items()}
        archive = ARCHIVES[key]
        file = archive.url.rsplit("/", 1)[1]
        server.files[file] = tar(tmp_path / "served", content, mode).read_bytes()
        md5 = archive.md5 and md5_of(server.files[file])
        monkeypatch.setitem(ARCHIVES, key, archive._replace(url=server.url(file), md5=md5))
    return server


def prepare(out, *arguments):
    out.mkdir()
    prepare_voc12.run(prepare_voc12.build_parser().parse_args([*map(str, arguments), "--out", str(out)]))
    return {path.stem: path.read_text() for path in (out / "lists").iterdir()}


def test_prepare_fetches_everything_once(published, tiny_devkit, tmp_path):
    by_hand = prepare(tmp_path / "by_hand", "--devkit", tiny_devkit, "--sbd", tmp_path / "sbd",
                      "--saliency", tmp_path / "saliency_aug")  # fmt: skip
    for name in ("first", "again"):
        assert prepare(tmp_path / name, "--download", tmp_path / "downloads") == by_hand
        assert (tmp_path / name / "saliency/2007_000001.png").exists()
        assert len(published.requests) == len(published.asked) == 3
    assert "train_aug" in by_hand


def test_prepare_asks_every_address_before_it_fetches_anything(published, tmp_path):
    del published.files["saliency_aug.tar.gz"]
    with pytest.raises(InputError, match="^1 of 3 files cannot be fetched, none was: http.*saliency_aug") as error:
        prepare(tmp_path / "out", "--download", tmp_path / "downloads")
    said = str(error.value)
    assert "--saliency DIR names other published maps or your own, --no-saliency does without" in said
    assert f"can be put at {tmp_path / 'downloads/saliency_aug.tar.gz'}" in said and "docs/saliency.md" in said
    assert not published.requests and len(published.asked) == 3 and not (tmp_path / "downloads").exists()
    assert "train_aug" in prepare(tmp_path / "without", "--download", tmp_path / "downloads", "--no-saliency")


def test_prepare_asks_no_address_of_what_is_there(published, tmp_path):
    downloads = tmp_path / "downloads"
    assert prepare(tmp_path / "first", "--download", downloads)
    (downloads / "benchmark.tgz").unlink()  # its content is there
    shutil.rmtree(downloads / "saliency")  # its archive is there
    published.asked.clear()
    published.files.clear()
    assert prepare(tmp_path / "again", "--download", downloads) and not published.asked


def test_prepare_fetches_only_what_is_not_given(published, tiny_devkit, tmp_path):
    prepare(tmp_path / "out", "--download", tmp_path / "downloads", "--devkit", tiny_devkit,
            "--saliency", tmp_path / "saliency_aug")  # fmt: skip
    assert [name for name, _ in published.requests] == ["benchmark.tgz"]
    assert not (tmp_path / "downloads/voc2012").exists()


def test_prepare_with_a_pinned_saliency_archive(published, tmp_path):
    sha256 = hashlib.sha256(published.files["saliency_aug.tar.gz"]).hexdigest()
    arguments = ("--download", tmp_path / "downloads", "--saliency-sha256")
    with pytest.raises(InputError, match="saliency_aug.tar.gz: expected SHA-256 0{64}"):
        prepare(tmp_path / "wrong", *arguments, "0" * 64)
    assert prepare(tmp_path / "right", *arguments, sha256.upper())
    with pytest.raises(SystemExit):  # argparse says why
        prepare(tmp_path / "typo", *arguments, sha256[:-1])


@pytest.mark.parametrize("members", [{"readme.txt": b"1"}, {"a/x.png": b"1", "b/y.png": b"2"}])
def test_saliency_archive_of_another_shape(published, tiny_devkit, tmp_path, members):
    published.files["saliency_aug.tar.gz"] = tar(tmp_path / "other", members, "w:gz").read_bytes()
    with pytest.raises(InputError, match="expected one folder with PNGs in it, found [02]; give --saliency"):
        voc12_folders(tmp_path / "downloads", tiny_devkit, tmp_path / "sbd")
