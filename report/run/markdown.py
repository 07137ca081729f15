"""Values from records as text in Markdown: in one line, and without mark-up of their own."""

import re
import shlex
from collections.abc import Iterable


def cell(value: object) -> str:
    """A value as text that is no mark-up and fits into a table's cell; a dash for None."""
    text = " ".join(str("–" if value is None else value).split())
    return re.sub(r"([\\|<\[*`])", r"\\\1", text)


def percent(number: float | None) -> str:
    """A score in percent with two digits; a dash for one that is undefined."""
    return "–" if number is None else f"{number:.2f}"


def megabytes(size: int) -> str:
    """A size in bytes as MB with two digits."""
    return f"{size / 1e6:.2f}"


def shell_word(value: object) -> str:
    """A value as a word of a command in a block of code."""
    return shlex.quote(" ".join(str(value).replace("`", "").split()))


def listed(values: Iterable[object]) -> str:
    """Values, each once, as "a, b and c"."""
    *first, last = dict.fromkeys(cell(value) for value in values)
    return f"{', '.join(first)} and {last}" if first else last
