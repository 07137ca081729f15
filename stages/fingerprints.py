"""What the inputs of a stage contain, so that a change of them is noticed."""

import hashlib
import json
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from stages.files import InputError, atomic, read_json
from stages.versions import versions as versions_of

NOT_CONTENT = {"stage.json", "tensorboard", "training.pth"}  # of a stage's folder: beside what it made
MEMORY = ".fingerprints"
PART = 32  # files that a thread hashes at a time: for a tiny one, a task of its own costs more than its content


class Selection(NamedTuple):
    """The part of an input folder that a stage reads."""

    names: list[str]  # of its parts, as the record shows them
    files: list[str]  # relative to the folder


class Memory:
    """The SHA-256 of the files of a folder, computed once for each version of a file: its size and time of change.

    Kept in `.fingerprints` in the first of `places` (folders) that can be written, as JSON:
    {path relative to that place: [size, time in ns, SHA-256]}. One that is damaged is ignored. Without places nothing
    is kept.
    """

    def __init__(self, folder: Path, places: Iterable[Path] = ()):
        self.folder = folder
        self.places = [(place / MEMORY, _way(place, folder)) for place in places]
        self.new = {}

    def sha256(self, names: list[str], versions: list[tuple[int, int]]) -> list[str]:
        """The SHA-256 of the files `names`, in hexadecimal; `versions`: (size, time in ns) of each.

        Raises OSError where one cannot be read.
        """
        found = self._known(names, versions)
        unknown = [(name, version) for name, version in zip(names, versions, strict=True) if name not in found]
        parts = [unknown[start : start + PART] for start in range(0, len(unknown), PART)]
        try:
            with ThreadPoolExecutor(8) as pool:  # hashlib and the disk work while Python does not
                for part in pool.map(self._hash, parts):
                    found.update(part)
        finally:
            self.save()
        return [found[name] for name in names]

    def save(self) -> None:
        """Writes what is new to the first place that can be written; if there is none yet, it stays new."""
        for path, way in self.places:
            if not self.new:
                return
            with suppress(OSError):
                content = _read(path) | {way + name: entry for name, entry in self.new.items()}
                with atomic(path) as partial:
                    partial.write_text(json.dumps(content))
                self.new = {}

    def _known(self, names, versions):
        """{name: SHA-256} of the files whose version is remembered."""
        found = {}
        for path, way in self.places:
            content = _read(path)
            for name, version in zip(names, versions, strict=True) if content else ():
                entry = content.get(way + name)
                if (
                    isinstance(entry, list)
                    and len(entry) == 3
                    and entry[:2] == [*version]
                    and isinstance(entry[2], str)
                ):
                    found[name] = entry[2]
        return found

    def _hash(self, part):
        """{name: SHA-256} of a few files, (name, version) each, which are new."""
        found = {}
        for name, version in part:
            found[name] = sha256(_join(self.folder, name))
            if self.places:
                self.new[name] = [*version, found[name]]
        return found


def fingerprint(
    option: str, path: Path, known: dict | None = None, selection: Selection | None = None, memory: Memory | None = None
) -> dict:
    """What identifies the content of an input, a file or a folder: {"sha256": …, "seen": …}.

    `selection` says which files of a folder count; by default all, links followed, without hidden ones and NOT_CONTENT.
    `known` is an earlier fingerprint of it: if names, sizes and times of all files are as they were "seen" then,
    nothing is read. Raises InputError, naming `option`, if the input is missing or cannot be read.
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
    versions = versions_of(memory.folder, names)
    seen = _digest(f"{name} {size} {time}" for name, (size, time) in zip(names, versions, strict=True))
    if known.get("seen") == seen:
        return known
    digests = memory.sha256(names, versions)
    return {"sha256": _digest(map(" ".join, zip(names, digests, strict=True))), "seen": seen}


def content_of(folder: Path) -> list[str]:
    """The files below a folder that a stage made, or that somebody put there, relative to it."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(2, "No such file or directory", str(folder))
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NOT_CONTENT]
        inside = _way(folder, place)
        found += [inside + name for name in files if name[0] != "." and name not in NOT_CONTENT]
    return found


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _way(start, folder):
    """What leads from the folder `start` to files in `folder`: "", or "../data/"."""
    way = os.path.relpath(folder, start)
    return "" if way == "." else f"{way}/"


def _read(path):
    """The content of a memory file; empty if there is none or it is damaged."""
    try:
        content = read_json(path) if path.is_file() else {}
    except InputError:
        content = {}
    return content if isinstance(content, dict) else {}


def _join(folder, name):
    return f"{folder}/{name}" if name else str(folder)  # an input that is a file has no name below itself


def _digest(lines):
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()
