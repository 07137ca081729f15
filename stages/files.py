"""Atomic writing of files, and the error for unusable input."""

import json
import os
from contextlib import contextmanager
from pathlib import Path

CITED = 3  # of a list in a message


class InputError(Exception):
    """Input that cannot be used. The message is one line: the file, what was expected, what was found."""


def cite(texts, separator=", "):
    """The first few of a list of texts, and how many more there are: "a, b, c and 4 more"."""
    more = f" and {len(texts) - CITED} more" if len(texts) > CITED else ""
    return separator.join(texts[:CITED]) + more


@contextmanager
def atomic(path, sync=False):
    """Yield a temporary name beside `path`; what is written there replaces `path` at the end, unless there is an error.

    With `sync` it is on the disk before that: the file is whole even if the machine crashes.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if sync:
            sync_file(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def sync_file(path):
    """Waits until a file's content is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path, text, sync=False):
    """Write UTF-8 text, completely or not at all; `sync` as for `atomic`."""
    with atomic(path, sync) as partial:
        partial.write_text(text, encoding="utf-8")


def write_lines(path, lines, sync=False):
    """The same of lines, which get their ends."""
    write_text(path, "".join(f"{line}\n" for line in lines), sync)


def write_json(path, content):
    write_text(path, json.dumps(content, indent=2) + "\n", sync=True)


def read_json(path):
    """Raises InputError if the file is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON ({error})") from None


def check_outside(out, folders):
    """Raises InputError if `out` is one of the `folders`, which are read, or lies in one."""
    for folder in folders:
        if folder.resolve() in (out.resolve(), *out.resolve().parents):
            raise InputError(f"{out}: expected an --out outside of {folder}, which is read")


def check_output(path, *inputs):
    """Raises InputError unless `path` can be written: its folder exists, and it is none of `inputs`."""
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: expected a file that can be written")
    if path.resolve() in {source.resolve() for source in inputs}:
        raise InputError(f"{path}: expected another file to write than those to read")
