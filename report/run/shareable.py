"""Records, scores and tables of a run without the places of the machine that made them.

A path that leads out of the working folder, an absolute one or one with .., can name a person, a project or a machine.
It is replaced by its last part or, if it lies in the run, by the run's name and what follows. Relative paths, such as
data/toy, stay as they are: a reader needs them.
"""

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any


def shareable(value: Any, run: Path) -> Any:
    """The same value, of what JSON can hold, without such paths in its texts; `run` is the run's folder."""
    paths = {path for text in _texts(value) for path in _candidates(text) if _leads_out(path)}
    longest_first = sorted(paths, key=lambda path: (-len(path), path))
    if not longest_first:
        return value
    whole = re.compile(rf"(?<![\w./-])(?:{'|'.join(map(re.escape, longest_first))})")  # not the end of another path

    def replaced(value):
        if isinstance(value, dict):
            return {replaced(name): replaced(each) for name, each in value.items()}
        if isinstance(value, list):
            return [replaced(each) for each in value]
        return whole.sub(lambda path: _short(path[0], run), value) if isinstance(value, str) else value

    return replaced(value)


def _texts(value: Any) -> Iterator[str]:
    """The texts in a value, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _texts(each)


def _candidates(text):
    """Parts of a text that may be paths: all of it, a word, quoted if it has spaces, or between other characters."""
    try:
        words = shlex.split(text)
    except ValueError:  # a single quotation mark
        words = []
    parts = [part for part in re.split(r"[\s=:,;|\"'`()\[\]]+", text) if not part.startswith("//")]  # of https://
    return [text, *words, *(word.partition("=")[2] for word in words), *parts]


def _leads_out(path):
    parts = PurePath(path).parts
    return any(part not in ("/", "//", "..") for part in parts) and (path.startswith("/") or ".." in parts)


def _short(path, run):
    inside = PurePath(os.path.relpath(path, run))
    if ".." not in inside.parts:
        return str(PurePath(run.resolve().name, inside))
    return next(part for part in reversed(PurePath(path).parts) if part != "..")
