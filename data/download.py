"""Fetches what data.prepare_voc12 --download needs: each archive complete, checked and extracted, or not at all.

The addresses and MD5 sums of the VOC devkit and SBD are those of torchvision.datasets. Its own downloader is not used:
it turns to plain http where https fails, starts from nothing after every interruption, and its SBDataset cannot go on
after an interrupted move of its folders.
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
from pathlib import PurePosixPath
from typing import NamedTuple

from common.files import InputError, atomic
from common.progress import progress_bar


class Archive(NamedTuple):
    """A tar archive that somebody publishes."""

    url: str  # https only
    md5: str | None  # as published; None if it is not
    folder: str  # what it is extracted into, below the downloads
    wanted: tuple = ()  # the members that are needed; all of them if empty


ARCHIVES = {
    "devkit": Archive(
        "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "6cd6e144f989b92b3379bac3b3de84fd",
        "voc2012",
    ),
    "sbd": Archive(
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
        "82b4d87ceb2ed10f6038a1cba92111cb",
        "sbd",
        # its images are VOC's, and its masks are not used: the labels are image-level
        ("benchmark_RELEASE/dataset/train.txt", "benchmark_RELEASE/dataset/val.txt"),
    ),
    "saliency": Archive("https://nsrom-2.oss-cn-shanghai.aliyuncs.com/saliency_aug.tar.gz", None, "saliency"),
}

FAILURES = 5  # in a row, without a byte gained, after which a download is given up
PAUSE = 2  # seconds after the first failure, doubled after each further one
TIMEOUT = 60  # seconds without a sign of the server
SIZE_LIMIT = 20 * 10**9  # bytes that an archive may hold, several times as many as the largest does
EXTENDED = (b"L", b"K", b"x", b"g", b"X")  # types of tar headers: long names and links, pax, pax for all, Solaris
TRANSIENT = (urllib.error.URLError, ConnectionError, TimeoutError, ssl.SSLError, http.client.HTTPException)


def voc12_folders(downloads, devkit=None, sbd=None, saliency=None, saliency_sha256=None):
    """(devkit, sbd, saliency), the three folders that data.prepare_voc12 reads: those that are None are fetched.

    `downloads` (Path) takes the archives and their content; what is there already is used. `saliency_sha256` is what
    the saliency archive must have. Raises InputError if anything cannot be fetched or is not what was expected.
    """
    devkit = devkit or fetch(ARCHIVES["devkit"], downloads) / "VOCdevkit" / "VOC2012"
    sbd = sbd or fetch(ARCHIVES["sbd"], downloads)
    saliency = saliency or folder_of_maps(fetch(ARCHIVES["saliency"], downloads, saliency_sha256))
    return devkit, sbd, saliency


def fetch(archive, downloads, sha256=None):
    """The folder with the content of `archive`, downloaded, verified and extracted unless it is there.

    An archive that was put into `downloads` by hand is verified and extracted. `sha256`: what it must have, or None.
    """
    path = downloads / PurePosixPath(archive.url).name
    folder = downloads / archive.folder
    if not folder.is_dir():
        if not path.exists():
            download(archive.url, path)
        verify(path, archive.md5, sha256)
        extract(path, folder, archive.wanted)
    elif sha256 and recorded(path) != sha256:
        raise InputError(f"{folder}: expected content of SHA-256 {sha256}, found {recorded(path)} in {record_of(path)}")
    return folder


class SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirection from https to anything else, where another could answer in the server's place."""

    def redirect_request(self, request, response, code, message, headers, url):
        if request.type == "https" and not url.startswith("https://"):
            raise InputError(f"{request.full_url}: redirects to {url}, which is not https")
        return super().redirect_request(request, response, code, message, headers, url)


def download(url, path):
    """Brings `url` to the file `path`. What has come stays in <path>.partial until all has, and is gone on from.

    Raises InputError if the server refuses, if the connection fails again and again, or if the disk does.
    """
    partial = path.with_name(f"{path.name}.partial")
    failures, most = 0, size_of(partial)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                receive(url, partial)
                break
            except TRANSIENT as error:
                failures = 1 if size_of(partial) > most else failures + 1
                most = max(most, size_of(partial))
                if failures == FAILURES or isinstance(error, urllib.error.HTTPError) and error.code < 500:
                    raise
                print(f"{url}: {error}; trying again", flush=True)
                time.sleep(PAUSE * 2 ** (failures - 1))
        partial.replace(path)
    except (OSError, http.client.HTTPException) as error:
        advice = f"the same command goes on where it stopped, and a copy from elsewhere can be put at {path}"
        raise InputError(f"{url}: cannot be fetched ({error}); {advice}") from None


def receive(url, partial):
    """Adds to the file `partial` what it lacks of `url`, or writes it anew if the server cannot send a part.

    Raises OSError or HTTPException if the connection fails, or ends before all that was announced has come.
    """
    start = size_of(partial)
    opener = urllib.request.build_opener(SecureRedirects)
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
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


def verify(path, md5=None, sha256=None):
    """Compares a file with its published MD5, with the SHA-256 asked for, and with the one recorded beside it.

    Prints the SHA-256, and records it if there is no record. Raises InputError if one differs.
    """
    found_md5, found_sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            found_md5.update(chunk)
            found_sha256.update(chunk)
    found = found_sha256.hexdigest()
    print(f"{path}: SHA-256 {found}", flush=True)
    comparisons = (
        (f"the published MD5 {md5}", md5, found_md5.hexdigest()),
        (f"the SHA-256 asked for, {sha256}", sha256, found),
        (f"SHA-256 {recorded(path)}, as {record_of(path)} has it", recorded(path), found),
    )
    for what, expected, value in comparisons:
        if expected and value != expected:
            raise InputError(f"{path}: expected {what}, found {value}; delete the file to fetch it again")
    with atomic(record_of(path)) as partial:
        partial.write_text(f"{found}  {path.name}\n")  # as `sha256sum -c` reads it


def record_of(path):
    return path.with_name(f"{path.name}.sha256")


def recorded(path):
    """The SHA-256 recorded beside a file, or None."""
    record = record_of(path)
    return (record.read_text().split() or [None])[0] if record.exists() else None


class Header(tarfile.TarInfo):
    """Refuses extended headers (long names and the like) of more than a megabyte: tarfile reads them into memory."""

    @classmethod
    def frombuf(cls, *block):
        header = super().frombuf(*block)
        if header.type in EXTENDED and header.size > 10**6:
            raise tarfile.ReadError(f"a header of {header.size} bytes")
        return header


def extract(path, folder, wanted=(), limit=SIZE_LIMIT):
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
    """Writes files alone, each opened here by a name without '..': that is safe without tarfile's filters.

    Python 3.10 does not have the filters in all versions. As no link is ever made, no name can lead outside by one;
    owners, modes and times are not taken over either.
    """
    with progress_bar(f"extracting {path.name}", None, unit="file") as bar:
        for member in tar:
            name = PurePosixPath(member.name)
            if member.isdir() or (wanted and str(name) not in wanted):
                continue
            if not member.isfile():
                raise InputError(f"{path}: expected files and folders alone, {member.name!r} is a link or a device")
            if name.is_absolute() or ".." in name.parts or member.size < 0:
                raise InputError(f"{path}: {member.name!r} would be written outside of {folder}")
            limit -= member.size
            if limit < 0:
                raise InputError(f"{path}: holds more than is allowed, at {member.name!r}")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with open(folder / name, "wb") as file:
                shutil.copyfileobj(tar.extractfile(member), file, 1 << 20)
            bar.update()


def folder_of_maps(folder):
    """The one folder in `folder` that holds PNGs: the archive's own folder has no documented name."""
    found = {path.parent for path in folder.rglob("*.png") if not path.name.startswith("._")}  # macOS adds those
    if len(found) != 1:
        raise InputError(f"{folder}: expected one folder with PNGs in it, found {len(found)}; give --saliency")
    return found.pop()
