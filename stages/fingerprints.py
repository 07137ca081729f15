"""Fingerprints of a stage's inputs, by which a change of their content is noticed."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from stages.files import InputError, read_json, write_text

NOT_CONTENT = {"stage.json", "tensorboard", "training.pth"}  # in a stage's folder, beside its results
MEMORY = ".fingerprints"
PART = 32  # files that a thread hashes at a time: a task for each tiny file would cost more than hashing it


class Selection(NamedTuple):
    """The part of an input folder that a stage reads."""

    names: list[str]  # of the data set's parts, for the record
    files: list[str]  # relative to the folder


class Memory:
    """The SHA-256 of the files of a folder, computed once for each version of a file: its size and modification time.

    Kept as JSON, {path relative to the place: [size, time in ns, SHA-256]}, in `.fingerprints` in the first of `places`
    (folders) that can be written. A damaged one is ignored. Without places nothing is kept.
    """

    def __init__(self, folder: Path, places: Iterable[Path] = ()):
        self.folder = folder
        self.places = [(place / MEMORY, _prefix(place, folder)) for place in places]
        self.new = {}

    def sha256(self, names: list[str], versions: list[tuple[int, int]]) -> list[str]:
        """The SHA-256 of the files `names`, in hexadecimal; `versions`: (size, time in ns) of each.

        Raises OSError where one cannot be read.
        """
        hashes = self._known(names, versions)
        unknown = [(name, version) for name, version in zip(names, versions, strict=True) if name not in hashes]
        parts = [unknown[start : start + PART] for start in range(0, len(unknown), PART)]
        try:
            with ThreadPoolExecutor(8) as pool:  # hashing and reading release Python's lock
                for part in pool.map(self._hash, parts):
                    hashes.update(part)
        finally:
            self.save()
        return [hashes[name] for name in names]

    def save(self) -> None:
        """Writes new hashes to the first place that can be written; if none can be, they are kept for the next call."""
        for path, prefix in self.places:
            if not self.new:
                return
            with suppress(OSError):
                content = _read(path) | {prefix + name: entry for name, entry in self.new.items()}
                write_text(path, json.dumps(content))
                self.new = {}

    def _known(self, names, versions):
        """{name: SHA-256} of the files whose version is remembered."""
        hashes = {}
        for path, prefix in self.places:
            content = _read(path)
            for name, version in zip(names, versions, strict=True) if content else ():
                match content.get(prefix + name):
                    case [size, time, str(sha256)] if (size, time) == version:
                        hashes[name] = sha256
        return hashes

    def _hash(self, part):
        """{name: SHA-256} of some files, (name, version) each, which are not remembered."""
        hashes = {}
        for name, version in part:
            hashes[name] = sha256(_join(self.folder, name))
            if self.places:
                self.new[name] = [*version, hashes[name]]
        return hashes


def fingerprint(
    option: str, path: Path, known: dict | None = None, selection: Selection | None = None, memory: Memory | None = None
) -> dict:
    """Identifies the content of an input, a file or a folder: {"sha256": …, "seen": …}.

    `selection` says which files of a folder count; by default all, links followed, without hidden ones and NOT_CONTENT.
    `known` is an earlier fingerprint of the input: if names, sizes and times of all files are still those that were
    "seen" then, no file is opened. Raises InputError, naming `option`, if the input is missing or cannot be read.
    """
    memory, known = memory or Memory(path), known or {}
    try:
        if selection is None:
            return _fingerprint(memory, [""] if path.is_file() else content_of(path), known)
        return {"reads": selection.names} | _fingerprint(memory, selection.files, known)
    except FileNotFoundError as error:
        raise InputError(f"{option} {path}: no such file or folder ({error.filename})") from None
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be read ({error.strerror}: {error.filename})") from None


def _fingerprint(memory, names, known):
    names = sorted(names)
    versions = _versions(memory.folder, names)
    seen = _digest(f"{name} {size} {time}" for name, (size, time) in zip(names, versions, strict=True))
    if known.get("seen") == seen:
        return known
    digests = memory.sha256(names, versions)
    return {"sha256": _digest(map(" ".join, zip(names, digests, strict=True))), "seen": seen}


def _versions(folder: Path, names: Sequence[str]) -> list[tuple[int, int]]:
    """[(size, modification time in ns), …] of files."""
    stats = (os.stat(_join(folder, name)) for name in names)
    return [(stat.st_size, stat.st_mtime_ns) for stat in stats]


def content_of(folder: Path) -> list[str]:
    """The files below a folder, relative to it: a stage's results, or whatever a user put there."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(2, "No such file or directory", str(folder))
    content = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NOT_CONTENT]
        inside = _prefix(folder, place)
        content += [inside + name for name in files if name[0] != "." and name not in NOT_CONTENT]
    return content


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _prefix(start, folder):
    """The path from the folder `start` to `folder`, to put before a name: "", or "../data/"."""
    way = os.path.relpath(folder, start)
    return "" if way == "." else f"{way}/"


def _read(path):
    """The content of a memory file; empty if there is none or it is damaged."""
    with suppress(InputError):
        content = read_json(path)
        return content if isinstance(content, dict) else {}
    return {}


def _join(folder, name):
    return f"{folder}/{name}" if name else str(folder)  # an input that is a file has no name below itself


def _digest(lines):
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()
