"""Downloads files and extracts archives, for weights.fetch and data.prepare_voc12 --download.

pooch checks the hash before a file gets its name. `receive` replaces pooch's own downloader, which starts over after an
interruption, a nuisance with the devkit's 2 GB, and follows redirections to plain http. Addresses and MD5 sums of the
devkit and SBD are those of torchvision.datasets.
"""

import re
import shutil
import tarfile
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pooch
import requests

from stages.arguments import checked
from stages.files import InputError, write_lines
from stages.progress import progress_bar

pooch.get_logger().setLevel("WARNING")


class Archive(NamedTuple):
    """A published tar archive."""

    url: str  # https
    hash: str | None  # as pooch takes it; None if none is published
    folder: str  # where it is extracted, below the downloads
    wanted: tuple = ()  # the members that are needed; all if empty
    instead: str = ""  # alternatives to downloading it, one line


ARCHIVES = {
    "devkit": Archive(
        "https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar",
        "md5:6cd6e144f989b92b3379bac3b3de84fd",
        "voc2012",
        instead="name a devkit that you have by --devkit",
    ),
    "sbd": Archive(
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
        "md5:82b4d87ceb2ed10f6038a1cba92111cb",
        "sbd",
        # its images are VOC's, and its masks are not used: the labels are image-level
        ("benchmark_RELEASE/dataset/train.txt", "benchmark_RELEASE/dataset/val.txt"),
        "name a copy that you have by --sbd",
    ),
    "saliency": Archive(
        "https://nsrom-2.oss-cn-shanghai.aliyuncs.com/saliency_aug.tar.gz",
        None,
        "saliency",
        instead="name other maps by --saliency, or do without by --no-saliency (docs/saliency.md)",
    ),
}

ATTEMPTS = 10
PAUSE = 3  # seconds between two attempts
TIMEOUT = 60  # seconds without a byte
SIZE_LIMIT = 20 * 10**9  # bytes that an archive may hold, several times as many as the largest does
CHUNK = 2**18  # bytes, of which the last may be lost when a connection breaks off

sha256_digits = checked(str.lower, re.compile("[0-9a-f]{64}").fullmatch, "64 hexadecimal digits")  # a type for argparse


def fetch(archive: Archive, downloads: Path, sha256: str | None = None) -> Path:
    """The folder with the content of `archive`, downloaded, verified (`sha256` if given) and extracted if need be."""
    path, folder = downloads / PurePosixPath(archive.url).name, downloads / archive.folder
    if not folder.is_dir():
        found = fetch_file(archive.url, path, sha256 or archive.hash, instead=archive.instead)
        print(f"{path}: SHA-256 {found}", flush=True)
        extract(path, folder, archive.wanted)
    elif sha256 and recorded(path) != sha256:
        raise InputError(f"{folder}: expected content of SHA-256 {sha256}, found {recorded(path)} in {record_of(path)}")
    return folder


def fetch_file(
    url: str,
    path: Path,
    known_hash: str | None = None,
    check: Callable[[Path], None] = lambda path: None,
    force: bool = False,
    instead: str = "",
    downloader: Callable[[str, str, Any], None] | None = None,
) -> str:
    """Download `url` to `path` unless a file is there, or with `force` in any case. Returns the file's SHA-256.

    known_hash: SHA-256, or "md5:…". The SHA-256 is recorded in <path>.sha256, in the form that `sha256sum -c` reads;
    where no hash is known, it is expected from then on. `check(file)` raises InputError on unusable content.
    downloader: pooch's, for what is no address of https; the default is `transfer`.
    Raises InputError if the file cannot be had or is another one; what was at `path` is then as it was.
    """
    expected = known_hash or recorded(path)
    if path.exists() and not force:
        if not pooch.hashes.hash_matches(path, expected):
            source = f" of {record_of(path)}" if expected == recorded(path) else ""
            raise InputError(f"{path}: expected the hash {expected}{source}; delete the file to download it again")
        check(path)
    else:
        new, part = (path.with_name(f"{path.name}.{suffix}") for suffix in ("new", "partial"))
        try:
            downloader = downloader or partial(transfer, part=part)
            pooch.retrieve(url, expected, new.name, path.parent, downloader=downloader)
            check(new)
            new.replace(path)
        except (OSError, ValueError, InputError) as error:  # requests' errors are OSErrors, pooch's a ValueError
            hint = f"run the same command again to resume, or put a copy at {path}{instead and ', or '}{instead}"
            raise InputError(f"{url}: cannot be downloaded ({error}); {hint}") from None
        finally:
            new.unlink(missing_ok=True)
    found = pooch.file_hash(path)
    if recorded(path) != found:
        write_lines(record_of(path), [f"{found}  {path.name}"])
    return found


def record_of(path: Path) -> Path:
    """Where the SHA-256 of a file is recorded."""
    return path.with_name(f"{path.name}.sha256")


def recorded(path: Path) -> str | None:
    """The SHA-256 recorded beside a file, or None."""
    record = record_of(path)
    return record.read_text(errors="replace").partition(" ")[0] if record.exists() else None


def transfer(url: str, file: str, _=None, *, part: Path) -> None:
    """Download `url` to `file`, as a downloader of pooch. Until all has come it is in `part`, which is resumed."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            receive(url, part)
            break
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            if attempt == ATTEMPTS:
                raise
            print(f"{url}: {error}; trying again", flush=True)
            time.sleep(PAUSE)
    shutil.move(part, file)


def receive(url: str, part: Path) -> None:
    """Append to `part` what it lacks of `url`, or replace it if the server cannot send a range. Raises OSError."""
    start = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    with session() as client, client.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            return  # all has come; if it is more than all, its hash will say so
        response.raise_for_status()
        start = start if response.status_code == requests.codes.partial_content else 0
        total = (start + int(response.headers.get("Content-Length", 0))) // 10**6 or None
        with (
            open(part, "ab" if start else "wb") as target,
            progress_bar(part.stem, total, start // 10**6, unit="MB") as bar,
        ):
            for chunk in response.iter_content(CHUNK):
                target.write(chunk)
                bar.update(target.tell() // 10**6 - bar.n)


def session() -> requests.Session:
    """A session that speaks https alone: any other address, also that of a redirection, has no adapter."""
    client = requests.Session()
    del client.adapters["http://"]
    return client


def extract(path: Path, folder: Path, wanted: tuple[str, ...] = ()) -> None:
    """Extract the files of a tar archive, all or the `wanted` ones, to the new folder `folder`: all of it or nothing.

    Links are passed over. Raises InputError if the archive is damaged, lacks a wanted file, leads out of the folder or
    holds more than SIZE_LIMIT.
    """
    if not hasattr(tarfile, "data_filter"):
        raise InputError("extracting safely needs Python 3.10.12, 3.11.4 or 3.12; extract the archive yourself")
    unfinished, size = folder.with_name(f".{folder.name}.partial"), 0
    shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was killed
    try:
        with tarfile.open(path) as archive, progress_bar(f"extracting {path.name}", None, unit="file") as bar:
            for member in archive:
                if member.isfile() and (not wanted or str(PurePosixPath(member.name)) in wanted):
                    size += member.size
                    if size > SIZE_LIMIT:
                        raise InputError(f"{path}: holds more than is allowed, at {member.name!r}")
                    archive.extract(member, unfinished, set_attrs=False, filter="data")
                    bar.update()
        if missing := [name for name in wanted if not (unfinished / name).is_file()]:
            raise InputError(f"{path}: expected {missing[0]} in it")
        unfinished.rename(folder)
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        reason = f"{error}".partition("\n")[0]
        raise InputError(f"{path}: cannot be extracted ({reason}); delete it to download it again") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def folder_of_maps(folder: Path) -> Path:
    """The one folder in `folder` that holds PNGs: the archive's own folder has no documented name."""
    found = {path.parent for path in folder.rglob("*.png") if not path.name.startswith("._")}  # macOS adds those
    if len(found) != 1:
        raise InputError(f"{folder}: expected one folder with PNGs in it, found {len(found)}; give --saliency")
    return found.pop()
