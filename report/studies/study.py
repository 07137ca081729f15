"""A study over seeds: the lines of its runs by seed, and its tables as data.

A cell of a table names its scores: "row; score" are those of each seed, "row | other; score" the seeds' paired
differences of two rows, "row; score | other" of two scores, and with two of both the differences of the differences.
"""

import json
import operator
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from stages.files import InputError

ORIGIN = {"row": str, "seed": int, **dict.fromkeys(("commit", "torch", "machine"), (str, type(None)))}
LABELS = {"mIoU": "mean_iou", "ignored": "ignored", "missed": "false_negative"}  # heading: score of labels


class Table(NamedTuple):
    """A table: its rows are {label: what {row} stands for}, or a function from the frame of `by_seed` to them.

    columns: (heading, the scores of a cell with {row} for its row); picture: stands below the table if it is there;
    plotted: the places of the columns that are drawn in it.
    """

    heading: str
    rows: dict | Callable[[pd.DataFrame], dict] = {}
    columns: list[tuple[str, str]] = []
    picture: str = ""
    plotted: tuple[int, ...] = ()


class Study(NamedTuple):
    """Tables and, where a row is a folder of a run, what report.studies.collect reads there."""

    title: str
    script: str
    about: str
    tables: list[Table]
    rows: dict[str, str] = {}  # {row: the stage whose record says what made it}
    scores: dict[str, tuple[str, str]] = {}  # {score: (folder below the row, keys in its scores.json)}
    more: Callable[[Path], dict] = lambda row: {}  # what else a line says of the folder of a row
    prepare: Callable[[list[dict]], list[dict]] = lambda lines: lines  # names rows as the tables do
    seed: str = "the data, the initialisation and the order"  # what it changes


def named(*rows: str) -> dict[str, str]:
    """Rows of a table, the label of each is itself, or of a pair "row | other" the difference."""
    return {" - ".join(f"`{name}`" for name in row.split(" | ")): row for row in rows}


def flat(found: dict) -> dict:
    """Nested dictionaries as one, whose keys are such as "cam, best"."""
    parts = {key: flat(value) if isinstance(value, dict) else {"": value} for key, value in found.items()}
    return {f"{key}, {name}" if name else key: value for key, part in parts.items() for name, value in part.items()}


def read_lines(paths: Iterable[Path]) -> list[dict]:
    """The lines of all files, flat. Raises InputError if a file is missing, or a line is none of a study."""
    lines = []
    for path in paths:
        try:
            texts = path.read_bytes().splitlines()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        for number, text in enumerate(texts, 1):
            line = {}
            with suppress(ValueError, RecursionError, AttributeError):
                line = flat(json.loads(text))
            if not all(isinstance(line.get(key, ...), kind) for key, kind in ORIGIN.items()):
                keys = ", ".join(ORIGIN)
                raise InputError(f"{path} line {number}: expected a line of report.studies.collect, {keys}")
            lines.append(line)
    return lines


def by_seed(lines: list[dict]) -> pd.DataFrame:
    """Lines as a frame of the seeds, ascending, by columns (row, score); the rows are in the lines' order.

    Of two lines of a row and seed the last one counts.
    """
    rows = pd.DataFrame(lines).drop_duplicates(["row", "seed"], keep="last").groupby("row", sort=False)
    return pd.concat({row: found.set_index("seed") for row, found in rows}, axis=1).sort_index()


def scores(frame: pd.DataFrame, text: str) -> pd.Series:
    """The scores that a cell names, see above, of the seeds that have all of them."""
    rows, keys = (part.split(" | ") for part in text.split("; "))
    none = pd.Series(np.nan, frame.index)
    sides = [reduce(operator.sub, [frame.get((row, key), none) for row in rows]) for key in keys]
    return reduce(operator.sub, sides).dropna()


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean of float values (N,) and half of its 95 % interval (Student's t), NaN for one value."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values) if len(values) > 1 else np.nan
    return values.mean(), half


def spread(values: np.ndarray) -> str:
    """ "61.2 ± 1.3": mean and standard deviation."""
    return f"{values.mean():.1f}" + (f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else "")


def signed(values: np.ndarray) -> str:
    """ "+1.24 ± 0.35 (5/5)": mean of paired differences, half of its interval, and how many are above 0."""
    mean, half = interval(values)
    return f"{mean:+.2f}" + ("" if np.isnan(half) else f" ± {half:.2f}") + f" ({sum(values > 0)}/{len(values)})"
