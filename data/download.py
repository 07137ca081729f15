"""Downloads files (`fetch_file`) and extracts archives (`fetch`), for weights.fetch and data.prepare_voc12 --download.

A file is complete and has the expected hash, or is not there; a download that was interrupted goes on. The addresses
and MD5 sums of the VOC devkit and SBD are those of torchvision.datasets. Its own downloader is not used: it turns to
plain http where https fails, and starts from nothing after every interruption.
"""

import gzip
import hashlib
import http.client
import re
import shutil
import ssl
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from data.addresses import SecureRedirects, Wanted, advice, require
from stages.arguments import checked
from stages.files import InputError, atomic
from stages.progress import progress_bar


class Archive(NamedTuple):
    """A tar archive that somebody publishes."""

    url: str  # https only
    md5: str | None  # as published; None if it is not
    folder: str  # what it is extracted into, below the downloads
    wanted: tuple = ()  # the members that are needed; all of them if empty
    instead: str = ""  # the ways round if it cannot be had, one line


ARCHIVES = {
    "devkit": Archive(
        "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "6cd6e144f989b92b3379bac3b3de84fd",
        "voc2012",
        instead="--devkit DIR names one that you have",
    ),
    "sbd": Archive(
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
        "82b4d87ceb2ed10f6038a1cba92111cb",
        "sbd",
        # its images are VOC's, and its masks are not used: the labels are image-level
        ("benchmark_RELEASE/dataset/train.txt", "benchmark_RELEASE/dataset/val.txt"),
        "--sbd DIR names one that you have",
    ),
    "saliency": Archive(
        "https://nsrom-2.oss-cn-shanghai.aliyuncs.com/saliency_aug.tar.gz",
        None,
        "saliency",
        instead="--saliency DIR names other published maps or your own, --no-saliency does without (docs/saliency.md)",
    ),
}

FAILURES = 5  # in a row, without a byte gained, after which a download is given up
PAUSE = 2  # seconds after the first failure, doubled after each further one
TIMEOUT = 60  # seconds without a sign of the server
SIZE_LIMIT = 20 * 10**9  # bytes that an archive may hold, several times as many as the largest does
EXTENDED = (b"L", b"K", b"x", b"g", b"X")  # types of tar headers: long names and links, pax, pax for all, Solaris
SHA256 = re.compile("[0-9a-f]{64}")
TRANSIENT = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException)

sha256_digits = checked(str.lower, SHA256.fullmatch, "64 hexadecimal digits")  # a type for argparse


def voc12_folders(
    downloads: Path,
    devkit: Path | None = None,
    sbd: Path | None = None,
    saliency: Path | None = None,
    saliency_sha256: str | None = None,
    with_saliency: bool = True,
) -> tuple[Path, Path, Path | None]:
    """(devkit, sbd, saliency), the three folders that data.prepare_voc12 reads: those that are None are fetched.

    Saliency maps are only fetched `with_saliency`. `downloads` takes the archives and their content; what is there
    already is used. `saliency_sha256` is what the saliency archive must have. Raises InputError if anything cannot be
    fetched or is not what was expected: the addresses are all asked first, before the gigabytes of the first one.
    """
    lacking = {"devkit": not devkit, "sbd": not sbd, "saliency": with_saliency and not saliency}
    require_answers([ARCHIVES[name] for name, needed in lacking.items() if needed], downloads)
    if lacking["saliency"]:  # first: its address is the least certain
        saliency = folder_of_maps(fetch(ARCHIVES["saliency"], downloads, saliency_sha256))
    devkit = devkit or fetch(ARCHIVES["devkit"], downloads) / "VOCdevkit" / "VOC2012"
    sbd = sbd or fetch(ARCHIVES["sbd"], downloads)
    return devkit, sbd, saliency


def require_answers(archives: list[Archive], downloads: Path) -> None:
    """Raises InputError unless the addresses answer of those archives that are not in `downloads` yet."""
    paths = {archive: downloads / PurePosixPath(archive.url).name for archive in archives}
    missing = {each: path for each, path in paths.items() if not ((downloads / each.folder).is_dir() or path.exists())}
    require(Wanted(path, archive.url, archive.instead) for archive, path in missing.items())


def fetch(archive: Archive, downloads: Path, sha256: str | None = None) -> Path:
    """The folder with the content of `archive`, downloaded, verified and extracted unless it is there.

    An archive that was put into `downloads` by hand is verified and extracted. `sha256`: what it must have, or None.
    """
    path = downloads / PurePosixPath(archive.url).name
    folder = downloads / archive.folder
    if not folder.is_dir():
        found = fetch_file(archive.url, path, md5=archive.md5, pinned=sha256)
        print(f"{path}: SHA-256 {found}", flush=True)
        extract(path, folder, archive.wanted)
    elif sha256 and recorded(path) != sha256:
        raise InputError(f"{folder}: expected content of SHA-256 {sha256}, found {recorded(path)} in {record_of(path)}")
    return folder


def fetch_file(
    url: str,
    path: Path,
    md5: str | None = None,
    sha256: str | None = None,
    pinned: str | None = None,
    check: Callable[[Path, str], None] | None = None,
    force: bool = False,
) -> str:
    """Brings `url` to the file `path` if it is not there, or with `force` in its place. Returns its SHA-256.

    `md5` and `sha256` are its published hashes, of the latter the first digits will do; `pinned` is the SHA-256 that
    the user asks for instead. Where none is published, the first is recorded in <path>.sha256, as `sha256sum -c`
    reads it, and expected from then on. `check(file, where)` raises InputError, about `where`, on another content.
    Raises InputError if the file cannot be had or is another one; what was at `path` is then as it was.
    """
    published = md5 or sha256
    expected = pinned or sha256 or (None if published else recorded(path))
    origin = "" if pinned or published else f", as {record_of(path)} has it"

    def accept(file, where, hint):
        found = digest(file, "sha256")
        if expected and not found.startswith(expected):
            raise InputError(f"{where}: expected SHA-256 {expected}{origin}, found {found}; {hint}")
        if md5 and (found_md5 := digest(file, "md5")) != md5:
            raise InputError(f"{where}: expected the published MD5 {md5}, found {found_md5}; {hint}")
        if check:
            check(file, str(where))
        return found

    if path.exists() and not force:
        found = accept(path, path, "delete the file to fetch it again")
    else:
        found = download(url, path, lambda file: accept(file, url, advice(path)))
    if not published and (not expected or recorded(path) != found):
        with atomic(record_of(path)) as partial:
            partial.write_text(f"{found}  {path.name}\n")
    return found


def digest(path: Path, algorithm: str) -> str:
    """The hexadecimal MD5 or SHA-256 of a file's content."""
    found = hashlib.new(algorithm, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def record_of(path: Path) -> Path:
    """Where the SHA-256 of a file is recorded."""
    return path.with_name(f"{path.name}.sha256")


def recorded(path: Path) -> str | None:
    """The SHA-256 recorded beside a file, or None. Raises InputError if the record is damaged."""
    record = record_of(path)
    if not record.exists():
        return None
    found = record.read_text(errors="replace").partition(" ")[0]
    if not SHA256.fullmatch(found):
        raise InputError(f"{record}: expected a SHA-256 and a file's name; delete it to record anew")
    return found


def download(url: str, path: Path, accept: Callable[[Path], str] = str) -> str:
    """Brings `url` to the file `path`; returns what `accept(file)` returns of it before it gets that name.

    What has come stays in <path>.partial until all has, and is gone on from; what `accept` refuses by an InputError is
    deleted. Raises InputError if the server refuses, if the connection fails again and again, or if the disk does.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        receive_all(url, partial)
        try:
            accepted = accept(partial)
        except InputError:
            partial.unlink()
            raise
        partial.replace(path)
        return accepted
    except (OSError, http.client.HTTPException) as error:
        hint = f"the same command goes on where it stopped, and {advice(path)}"
        raise InputError(f"{url}: cannot be fetched ({error}); {hint}") from None


def receive_all(url, partial):
    """Calls `receive` until all has come, or until it has failed FAILURES times without a byte gained."""
    failures, most = 0, size_of(partial)
    while True:
        try:
            return receive(url, partial)
        except TRANSIENT as error:
            failures = 1 if size_of(partial) > most else failures + 1
            most = max(most, size_of(partial))
            if failures == FAILURES or isinstance(error, urllib.error.HTTPError) and error.code < 500:
                raise
            print(f"{url}: {error}; trying again", flush=True)
            time.sleep(PAUSE * 2 ** (failures - 1))


def receive(url, partial):
    """Adds to the file `partial` what it lacks of `url`, or writes it anew if the server cannot send a part.

    Raises OSError or HTTPException if the connection fails, or ends before all that was announced has come.
    """
    start = size_of(partial)
    opener = urllib.request.build_opener(SecureRedirects)
    headers = {"Range": f"bytes={start}-"} if start else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - https, as every address in the tables
    try:
        response = opener.open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416:  # "range not satisfiable": nothing follows what is there
            raise
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return
        partial.unlink()
        raise ConnectionError("what had come is longer than the file") from None
    except ValueError as error:
        raise InputError(f"{url}: redirects to what is no address ({error})") from None
    with response:
        if response.status != 206:
            start = 0
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise ConnectionError("the server sent another part than was asked for")
        length = response.headers.get("Content-Length")
        total = start + int(length) if re.fullmatch("[0-9]{1,18}", length or "") else None
        megabytes = total // 10**6 if total else None
        with open(partial, "ab" if start else "wb") as file:
            with progress_bar(PurePosixPath(url).name, megabytes, start // 10**6, unit="MB") as bar:
                while chunk := response.read(1 << 20):
                    file.write(chunk)
                    bar.update(file.tell() // 10**6 - bar.n)
    if total is not None and size_of(partial) != total:
        raise ConnectionError(f"the connection ended after {size_of(partial)} of {total} bytes")


def size_of(path):
    """In bytes; 0 if there is no such file."""
    return path.stat().st_size if path.exists() else 0


class Header(tarfile.TarInfo):
    """Refuses extended headers (long names and the like) of more than a megabyte: tarfile reads them into memory."""

    @classmethod
    def frombuf(cls, *block):
        header = super().frombuf(*block)
        if header.type in EXTENDED and header.size > 10**6:
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header


def extract(path: Path, folder: Path, wanted: tuple[str, ...] = (), limit: int = SIZE_LIMIT) -> None:
    """Extracts a tar archive, all of it or the `wanted` members, to the new folder `folder`: complete or not at all.

    Raises InputError if the archive is damaged, lacks a wanted member, would write outside of the folder, holds links
    or devices, or is larger than `limit` bytes when extracted.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
    try:
        partial.mkdir(parents=True)
        opened = gzip.open if path.suffix in (".gz", ".tgz") else open
        with opened(path, "rb") as file:
            with tarfile.open(fileobj=file, mode="r|", tarinfo=Header) as tar:
                write_members(tar, partial, path, wanted, limit)
            while file.read(1 << 20):  # gzip compares its checksum at the very end
                pass
        if missing := [name for name in wanted if not (partial / name).is_file()]:
            raise InputError(f"{path}: expected {missing[0]} in it")
        partial.rename(folder)
    except (OSError, EOFError, ValueError, zlib.error, tarfile.TarError) as error:
        raise InputError(f"{path}: cannot be extracted ({error}); delete the file to fetch it again") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_members(tar, folder, path, wanted, limit):
    """Extracts files alone, by tarfile's data filter where this Python has it (3.10.12, 3.11.4, 3.12).

    Older ones are safe, too: names are checked here, and as no link is ever made, no name can lead outside by one.
    """
    tar.extraction_filter = getattr(tarfile, "data_filter", None)
    with progress_bar(f"extracting {path.name}", None, unit="file") as bar:
        for member in tar:
            name = PurePosixPath(member.name)
            if member.isdir() or (wanted and str(name) not in wanted):
                continue
            if not member.isfile() or name.is_absolute() or ".." in name.parts or member.size < 0:
                raise InputError(f"{path}: expected files and folders inside of it alone, found {member.name!r}")
            limit -= member.size
            if limit < 0:
                raise InputError(f"{path}: holds more than is allowed, at {member.name!r}")
            tar.extract(member, folder, set_attrs=False)
            bar.update()


def folder_of_maps(folder: Path) -> Path:
    """The one folder in `folder` that holds PNGs: the archive's own folder has no documented name."""
    found = {path.parent for path in folder.rglob("*.png") if not path.name.startswith("._")}  # macOS adds those
    if len(found) != 1:
        raise InputError(f"{folder}: expected one folder with PNGs in it, found {len(found)}; give --saliency")
    return found.pop()
