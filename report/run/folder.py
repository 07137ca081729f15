"""A folder that a report writes: complete, or as it was before."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.files import InputError


@contextmanager
def new_folder(out: Path, marker: str) -> Iterator[Path]:
    """Yield an empty folder beside `out` that replaces it at the end; after an error `out` stays as it was.

    `marker` is the name of a file that each such folder holds. Raises InputError if `out` is anything but such a folder
    or an empty one, or if it cannot be written.
    """
    try:
        is_folder = out.is_dir() and not out.is_symlink()
        if out.exists() and not (is_folder and ((out / marker).is_file() or not any(out.iterdir()))):
            raise InputError(f"{out}: expected a folder to write to, empty or with {marker} in it")
    except OSError as error:  # such as a name that is too long
        raise InputError(f"{out}: {error.strerror}") from None
    partial, old = (out.with_name(f".{out.name[:99]}.{os.getpid()}.{end}") for end in ("partial", "old.partial"))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir()
        yield partial
        if out.exists():
            out.rename(old)
        partial.rename(out)
    except OSError as error:
        if error.filename is None or partial not in Path(os.fsdecode(error.filename)).parents:
            raise InputError(f"{out}: cannot be written ({error.filename}: {error.strerror})") from None
        raise
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        for left in (old, partial):
            shutil.rmtree(left, ignore_errors=True)
