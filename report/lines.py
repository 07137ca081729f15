"""What the reports over seeds share: JSON lines, one a row and seed; means, paired differences and intervals."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from common.scores import REPORTED, read_scores
from stages.files import InputError, atomic

NUMBER, TEXT = (int, float, type(None)), (str, type(None))
ORIGIN = {"row": str, "seed": int, "commit": TEXT, "torch": TEXT, "machine": TEXT}  # what a line of a study has
LABEL_SCORES = dict.fromkeys(REPORTED, NUMBER)  # what label_scores gives


def read_lines(paths: Iterable[Path], usable: Callable[[object], bool], expected: str) -> list[dict]:
    """The lines of all files as dictionaries. Raises InputError if a file is missing, is no JSON, or has an unfit line.

    `usable` says whether something read from JSON is such a line, `expected` what it should be, for the message.
    """
    lines = []
    for path in paths:
        try:
            found = [json.loads(line) for line in path.read_text().splitlines()]
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: expected {expected} ({error})") from None
        if unfit := [number for number, line in enumerate(found, 1) if not usable(line)]:
            raise InputError(f"{path} line {unfit[0]}: expected {expected}")
        lines += found
    return lines


def write_lines(path: Path, lines: list[dict], runs: list[Path], expected: str) -> None:
    """Write the lines of `runs`, one a line as JSON, and say so. Raises InputError if there is none."""
    if not lines:
        raise InputError(f"{runs[0]}: expected {expected} below it")
    with atomic(path) as partial:
        partial.write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(f"{len(lines)} lines of {len(runs)} runs -> {path}")


def holds(found: object, types: dict) -> bool:
    """Whether something read from JSON is a dictionary with all keys of `types`, of those types."""
    return isinstance(found, dict) and all(key in found and isinstance(found[key], types[key]) for key in types)


def label_scores(path: Path) -> dict:
    """What the tables show of seg.evaluate's scores.json, in percent or None."""
    found = read_scores(path)
    return {name: found[name] for name in REPORTED}


class SeedRows:
    """The lines by row and seed, {row: {seed: line}}: the rows of `order` first, then others as they come."""

    def __init__(self, lines: list[dict], order: Iterable[str] = ()):
        found = {}
        for line in lines:
            found.setdefault(line["row"], {})[line["seed"]] = line
        self.rows = {row: found[row] for row in (*order, *found) if row in found}

    def by_seed(self, row: str, *keys: str) -> dict[int, float]:
        """{seed: the score that lies at `keys` in its line}, by ascending seed, of the seeds that have it."""
        found = {}
        for seed, line in sorted(self.rows.get(row, {}).items()):
            score = line
            for key in keys:
                score = (score or {}).get(key)
            if score is not None:
                found[seed] = score
        return found

    def values(self, row: str, *keys: str) -> np.ndarray:
        """A score of each seed that has it, by ascending seed: float (S,)."""
        return column(self.by_seed(row, *keys))

    def differences(self, row: str, other: str, *keys: str) -> np.ndarray:
        """Paired differences of a score, one for each seed for which both rows have it: float (S,)."""
        return column(minus(self.by_seed(row, *keys), self.by_seed(other, *keys)))

    def seeds(self, row: str) -> str:
        return " ".join(map(str, sorted(self.rows[row])))


def minus(scores: dict[int, float], others: dict[int, float]) -> dict[int, float]:
    """The paired differences of two scores, each {seed: score}, of the seeds that both have."""
    return {seed: score - others[seed] for seed, score in scores.items() if seed in others}


def column(scores: dict[int, float]) -> np.ndarray:
    """Scores {seed: score} as an array in their order: float (S,)."""
    return np.array(list(scores.values()), float)


def link_to(pictures: Path, page: Path) -> str:
    """What a page has to write before the name of a picture in a folder: "", or the folder's path with "/"."""
    path = os.path.relpath(pictures.resolve(), page.parent.resolve())
    return "" if path == "." else f"{path}/"


def page_head(title: str, script: str, seeds: Iterable[int], lines: Iterable[dict]) -> str:
    """The Markdown with which a page begins: what was run, how its numbers are to be read, what made them."""
    read = (
        "a seed changes the data, the initialisation and the order. Everything is in percent, mean ± standard "
        "deviation over the seeds; a difference is the mean of the seeds' paired differences ± half its 95 % interval "
        "(Student's t), with the number of seeds in which it is above 0."
    )
    return f"# {title}\n\nSeeds {' '.join(map(str, sorted(seeds)))} of `{script}`; {read}\n\n{origins(lines)}"


def origins(lines: Iterable[dict]) -> str:
    """A Markdown list of what made the lines: commit, PyTorch, machine."""
    found = sorted({(line["commit"] or "no commit", line["torch"], line["machine"]) for line in lines}, key=str)
    return "".join(
        f"- commit `{commit[:12]}`{' with changes' * commit.endswith('-dirty')}, PyTorch {torch}, {machine}\n"
        for commit, torch, machine in found
    )


def interval(values: np.ndarray) -> tuple[float, float]:
    """Mean and half width of the 95 % interval of the mean (Student's t); the half width is NaN for one value."""
    from scipy.stats import t

    if len(values) < 2:
        return values.mean(), float("nan")
    return values.mean(), t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))


def number(value: float | None, sign: str = "") -> str:
    """ "61.2", or with the sign "+", "+61.2"; a dash for None."""
    return "–" if value is None else f"{value:{sign}.1f}"


def spread(values: np.ndarray) -> str:
    """ "61.2 ± 1.3": mean and standard deviation; a dash without values."""
    if len(values) < 2:
        return f"{values.mean():.1f}" if len(values) else "–"
    return f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"


def signed(values: np.ndarray) -> str:
    """ "+1.24 ± 0.35 (5/5)": the mean of paired differences, its interval, and how many are above 0."""
    if not len(values):
        return "–"
    mean, half = interval(values)
    return f"{mean:+.2f}" + ("" if np.isnan(half) else f" ± {half:.2f}") + f" ({(values > 0).sum()}/{len(values)})"
