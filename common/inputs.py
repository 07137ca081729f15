"""What the inputs of a stage contain, so that a change of them is noticed."""

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from common.files import InputError

NOT_CONTENT = {"stage.json", "tensorboard", "training.pth"}  # of a stage's folder: beside what it made


def fingerprint(option, path, known=None, files=None):
    """What identifies the content of an input, a file or a folder: {"sha256": …, "seen": …}.

    `files`: those of a folder that count, relative to it; all by default, links followed, without hidden ones and
    NOT_CONTENT. `known` is an earlier fingerprint of it: if names, sizes and times of all files are as they were
    "seen" then, nothing is read. Raises InputError, naming `option`, if the input is missing or cannot be read.
    """
    try:
        names = [""] if path.is_file() else sorted(files or content_of(path))
        stats = [os.stat(path / name) for name in names]
        seen = _digest(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in zip(names, stats))
        if known and known.get("seen") == seen:
            return known
        with ThreadPoolExecutor(8) as pool:  # hashlib and the disk work while Python does not
            digests = pool.map(sha256, (path / name for name in names))
            return {"sha256": _digest(f"{name} {digest}" for name, digest in zip(names, digests)), "seen": seen}
    except FileNotFoundError as error:
        raise InputError(f"{option} {path}: no such file or folder ({error.filename})") from None
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be read ({error.strerror}: {error.filename})") from None


def content_of(folder):
    """The files below a folder that a stage made, or that somebody put there, relative to it."""
    if not Path(folder).is_dir():
        raise FileNotFoundError(2, "No such file or directory", str(folder))
    found = []
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NOT_CONTENT]
        inside = os.path.relpath(place, folder)
        found += [os.path.normpath(os.path.join(inside, n)) for n in files if n[0] != "." and n not in NOT_CONTENT]
    return found


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _digest(lines):
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()
