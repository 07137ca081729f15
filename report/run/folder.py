"""A folder that a report writes: complete or as it was before."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from common.dataset import DataSet
from stages.files import InputError


def check_outside(out: Path, folders: Iterable[Path], dataset: DataSet | None) -> None:
    """Raises InputError if `out` lies in one of the `folders`, which stages wrote, or in the data set."""
    for place in [*folders, *([dataset.root] if dataset else [])]:
        if place.resolve() in (out.resolve(), *out.resolve().parents):
            raise InputError(f"{out}: expected an --out outside of {place}, which is read")


@contextmanager
def new_folder(out: Path, marker: str) -> Iterator[Path]:
    """Yield an empty folder beside `out`, which replaces `out` at the end; if there is an error, `out` stays as it was.

    `marker` is the name of a file that each such folder holds. Raises InputError if `out` is anything but such a folder
    or an empty one, or if it cannot be written.
    """
    try:
        if out.exists() and not (out.is_dir() and not out.is_symlink()):
            raise InputError(f"{out}: expected a folder to write to, found something else")
        if out.is_dir() and not (out / marker).is_file() and any(out.iterdir()):
            raise InputError(f"{out}: expected an empty folder or one with {marker}, which would be replaced")
    except OSError as error:  # such as a name that is too long
        raise InputError(f"{out}: {error.strerror}") from None
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    old = out.with_name(f".{out.name}.{os.getpid()}.old.partial")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        yield partial
        if out.exists():
            out.rename(old)
        partial.rename(out)
    except OSError as error:
        if error.filename is None or partial not in Path(os.fsdecode(error.filename)).parents:
            raise InputError(f"{out}: cannot be written ({error.strerror})") from None
        raise
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        shutil.rmtree(old, ignore_errors=True)
        shutil.rmtree(partial, ignore_errors=True)
