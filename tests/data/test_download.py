"""data.download against a server on this machine that breaks off, ignores ranges or refuses."""

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from data import download, prepare_voc12
from data.download import ARCHIVES, extract, fetch_file
from stages.files import InputError

extracts = pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="Python cannot extract safely")  # 3.11.2
CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves `files` {name: bytes}; `requests` logs (name, Range) of each request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.requests = {}, []
        self.ranges = True  # whether it can send a part
        self.cuts = []  # of the answers to come: after how many bytes each breaks off

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name, wanted = self.path.lstrip("/"), self.headers.get("Range")
        self.server.requests.append((name, wanted))
        if name not in self.server.files:
            return self.send_error(404)
        content = self.server.files[name]
        start = int(wanted[len("bytes=") : -1]) if wanted and self.server.ranges else 0
        if start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(content[start:][: self.server.cuts.pop(0) if self.server.cuts else None])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setattr(download, "CHUNK", 100)
    monkeypatch.setattr(download, "session", requests.Session)  # for http
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
    assert ARCHIVES["devkit"].hash == f"md5:{DATASET_YEAR_DICT['2012']['md5']}"
    assert ARCHIVES["sbd"].hash == f"md5:{SBDataset.md5}"


@pytest.mark.parametrize("target", ["http://example.org/x", "HTTP://x/", "file:///etc/passwd"])
def test_nothing_but_https_is_spoken_and_certificates_are_checked(monkeypatch, tmp_path, target):
    asked = []

    def send(self, request, **options):
        asked.append((request.url, bool(options["verify"])))
        response = requests.Response()
        response.status_code, response.headers["Location"] = 302, target
        response.raw, response.url, response.request = io.BytesIO(), request.url, request
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    for url in ("https://example.org/a.tar", target):
        with pytest.raises(InputError, match=f"^{url}: cannot be downloaded .No connection adapters were found"):
            fetch_file(url, tmp_path / "a.tar")
    assert asked == [("https://example.org/a.tar", True)] and not list(tmp_path.iterdir())


def test_a_download_resumes_where_it_broke_off(server, tmp_path):
    server.files["a"], server.cuts = CONTENT, [100] * 4
    assert fetch_file(server.url("a"), tmp_path / "new/a") == SHA256
    assert [wanted for _, wanted in server.requests] == [None, *(f"bytes={100 * n}-" for n in range(1, 5))]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a", "a.sha256"]


@pytest.mark.parametrize(("left", "ranges"), [(CONTENT[:500], True), (b"x" * 500, False), (CONTENT, True)])
def test_a_download_resumes_what_an_earlier_run_left(server, tmp_path, left, ranges):
    server.files["a"], server.ranges = CONTENT, ranges
    (tmp_path / "a.partial").write_bytes(left)
    assert fetch_file(server.url("a"), tmp_path / "a", SHA256) == SHA256
    assert server.requests == [("a", f"bytes={len(left)}-")] and not (tmp_path / "a.partial").exists()


def test_what_cannot_be_resumed_is_refused_by_its_hash_and_starts_again(server, tmp_path):
    server.files["a"] = CONTENT
    (tmp_path / "a.partial").write_bytes(CONTENT + b"more")
    with pytest.raises(InputError, match="does not match the known hash"):
        fetch_file(server.url("a"), tmp_path / "a", SHA256)
    assert fetch_file(server.url("a"), tmp_path / "a", SHA256) == SHA256


def test_a_download_gives_up_in_one_line_and_keeps_what_came(server, tmp_path):
    server.files["a"], server.cuts = CONTENT, [100] + [0] * 20
    with pytest.raises(InputError, match="again to resume, or put a copy at .*/a, or walk") as error:
        fetch_file(server.url("a"), tmp_path / "a", instead="walk")
    assert len(str(error.value).splitlines()) == 1 and len(server.requests) == download.ATTEMPTS
    assert [path.name for path in tmp_path.iterdir()] == ["a.partial"]
    with pytest.raises(InputError, match="cannot be downloaded .404"):
        fetch_file(server.url("b"), tmp_path / "b")
    assert server.requests[-2:] == [("a", "bytes=100-"), ("b", None)]  # a refusal is final
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match="cannot be downloaded"):
        fetch_file(server.url("a"), tmp_path / "a")


def md5_of(content):
    return "md5:" + hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(("wrong", "right"), [("0" * 64, SHA256), ("md5:" + "0" * 32, md5_of(CONTENT))])
def test_a_file_has_the_known_hash_or_is_not_taken(server, tmp_path, wrong, right):
    path, url = tmp_path / "a.tar", server.url("a.tar")
    server.files["a.tar"] = CONTENT
    with pytest.raises(InputError, match=f"^{url}: .* expected {wrong}"):
        fetch_file(url, path, wrong)
    assert not list(tmp_path.iterdir())
    assert fetch_file(url, path, right) == SHA256
    with pytest.raises(InputError, match=f"^{path}: expected the hash {wrong}; delete the file"):
        fetch_file(url, path, wrong)
    with pytest.raises(InputError, match=f"^{url}: .* expected {wrong}"):
        fetch_file(url, path, wrong, force=True)
    assert path.read_bytes() == CONTENT and len(list(tmp_path.iterdir())) == 2


def test_a_hash_that_nobody_publishes_is_recorded_and_compared(server, tmp_path):
    path, url = tmp_path / "a.tar", server.url("a.tar")
    server.files["a.tar"] = CONTENT
    assert fetch_file(url, path) == fetch_file(url, path) == SHA256
    assert (tmp_path / "a.tar.sha256").read_text() == f"{SHA256}  a.tar\n"
    path.write_bytes(CONTENT[1:])
    with pytest.raises(InputError, match=f"^{path}: expected the hash {SHA256} of .*a.tar.sha256"):
        fetch_file(url, path)
    assert fetch_file(url, path, force=True) == SHA256 and path.read_bytes() == CONTENT
    server.files["a.tar"] = other = CONTENT[2:]
    with pytest.raises(InputError, match=f"^{url}: .* expected {SHA256}"):
        fetch_file(url, path, force=True)
    sha256 = hashlib.sha256(other).hexdigest()
    assert fetch_file(url, path, sha256, force=True) == download.recorded(path) == sha256


@pytest.mark.parametrize("suffix, mode", [("tar", "w"), ("tar.gz", "w:gz"), ("tgz", "w:gz")])
@extracts
def test_extract(tmp_path, suffix, mode):
    path = tar(tmp_path / f"a.{suffix}", {"./x/one.txt": b"1", "x/y/two.txt": CONTENT}, mode)
    (tmp_path / ".all.partial/x").mkdir(parents=True)  # of a run that was killed
    extract(path, tmp_path / "all")
    assert (tmp_path / "all/x/one.txt").read_bytes() == b"1"
    assert (tmp_path / "all/x/y/two.txt").read_bytes() == CONTENT
    extract(path, tmp_path / "some", ("x/one.txt",))
    assert [file.name for file in (tmp_path / "some").rglob("*.txt")] == ["one.txt"]
    with pytest.raises(InputError, match="expected three.txt in it"):
        extract(path, tmp_path / "none", ("x/one.txt", "three.txt"))
    assert sorted(file.name for file in tmp_path.iterdir()) == [path.name, "all", "some"]


def member(kind, target):
    found = tarfile.TarInfo("link")
    found.type, found.linkname = kind, target
    return found


EVIL = {
    "parent": {"good": b"1", "../evil": b"2"},
    "parent inside": {"good": b"1", "a/../../evil": b"2"},
    "absolute": {"/tmp/nsrom_evil": b"2"},
    "symbolic link": {"link": member(tarfile.SYMTYPE, ".."), "link/evil": b"2"},
    "hard link": {"link": member(tarfile.LNKTYPE, "../a.tar")},
    "device": {"link": member(tarfile.CHRTYPE, "")},
}


@pytest.mark.parametrize("kind", EVIL)
@extracts
def test_no_archive_leads_out_of_its_folder(tmp_path, kind):
    path, folder = tar(tmp_path / "a.tar", {**EVIL[kind], "last": b"1"}), tmp_path / "deep/out"
    try:
        extract(path, folder)
        assert (folder / "last").exists() and not any(file.is_symlink() for file in folder.rglob("*"))
    except InputError as error:
        assert kind.startswith("parent") and "a.tar: cannot be extracted" in str(error)
        assert not folder.exists()
    assert all(folder in file.parents for file in tmp_path.rglob("*") if file.is_file() and file != path)


@extracts
def test_an_archive_that_holds_too_much_is_refused_before_it_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "SIZE_LIMIT", 10**6)
    path = tar(tmp_path / "a.tgz", {"a": bytes(600_000), "b": bytes(600_000)}, "w:gz")
    with pytest.raises(InputError, match="a.tgz: holds more than is allowed, at 'b'"):
        extract(path, tmp_path / "out")
    assert [each.name for each in tmp_path.iterdir()] == ["a.tgz"]


@pytest.mark.parametrize("damage", [lambda content: content[:-100], lambda _: b"<html>"])
@extracts
def test_extract_notices_a_damaged_archive(tmp_path, damage):
    path = tar(tmp_path / "a.tar.gz", {"x/one.txt": CONTENT, "x/two.txt": CONTENT}, "w:gz")
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="a.tar.gz: cannot be extracted.*delete it"):
        extract(path, tmp_path / "out")
    assert [file.name for file in tmp_path.iterdir()] == ["a.tar.gz"]


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
        known = archive.hash and md5_of(server.files[file])
        monkeypatch.setitem(ARCHIVES, key, archive._replace(url=server.url(file), hash=known))
    return server


def prepare(out, *arguments):
    out.mkdir()
    prepare_voc12.run(prepare_voc12.build_parser().parse_args([*map(str, arguments), "--out", str(out)]))
    return {path.stem: path.read_text() for path in (out / "lists").iterdir()}


@extracts
def test_prepare_fetches_everything_once(published, tiny_devkit, tmp_path):
    by_hand = prepare(tmp_path / "by_hand", "--devkit", tiny_devkit, "--sbd", tmp_path / "sbd",
                      "--saliency", tmp_path / "saliency_aug")  # fmt: skip
    pinned = ["--saliency-sha256", hashlib.sha256(published.files["saliency_aug.tar.gz"]).hexdigest().upper()]
    with pytest.raises(InputError, match="saliency_aug.tar.gz: .* expected 0{64}"):
        prepare(tmp_path / "wrong", "--download", tmp_path / "downloads", "--saliency-sha256", "0" * 64)
    published.requests.clear()
    for name in ("first", "again"):
        assert prepare(tmp_path / name, "--download", tmp_path / "downloads", *pinned) == by_hand
        assert (tmp_path / name / "saliency/2007_000001.png").exists()
        assert len(published.requests) == 3
    assert "train_aug" in by_hand


@extracts
def test_prepare_starts_with_the_least_certain_address_and_names_the_ways_round(published, tmp_path):
    del published.files["saliency_aug.tar.gz"]
    with pytest.raises(InputError, match="saliency_aug.tar.gz: .*404") as error:
        prepare(tmp_path / "out", "--download", tmp_path / "downloads")
    said = str(error.value)
    assert "--saliency" in said and "--no-saliency" in said and "docs/saliency.md" in said
    assert f"put a copy at {tmp_path / 'downloads/saliency_aug.tar.gz'}" in said and len(published.requests) == 1
    assert "train_aug" in prepare(tmp_path / "without", "--download", tmp_path / "downloads", "--no-saliency")
    assert not (tmp_path / "without/saliency").exists()


@extracts
def test_prepare_fetches_only_what_is_not_given(published, tiny_devkit, tmp_path):
    prepare(tmp_path / "out", "--download", tmp_path / "downloads", "--devkit", tiny_devkit,
            "--saliency", tmp_path / "saliency_aug")  # fmt: skip
    assert [name for name, _ in published.requests] == ["benchmark.tgz"]
    assert not (tmp_path / "downloads/voc2012").exists()


def test_a_subset_needs_no_sbd(published, tiny_devkit, tmp_path):
    words = ["--download", tmp_path, "--devkit", tiny_devkit, "--no-saliency", "--subset", "animals", "--out", tmp_path]
    args = prepare_voc12.build_parser().parse_args(list(map(str, words)))
    assert prepare_voc12.folders(args) == (tiny_devkit, None, None) and not published.requests


@pytest.mark.parametrize("members", [{"readme.txt": b"1"}, {"a/x.png": b"1", "b/y.png": b"2"}])
@extracts
def test_saliency_archive_of_another_shape(published, tmp_path, members):
    published.files["saliency_aug.tar.gz"] = tar(tmp_path / "other", members, "w:gz").read_bytes()
    with pytest.raises(InputError, match="expected one folder with PNGs in it, found [02]; give --saliency"):
        prepare(tmp_path / "out", "--download", tmp_path / "downloads")
