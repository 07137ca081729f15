"""What the reports over seeds share: JSON lines, one a row and seed; means, paired differences and intervals."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from stages.files import InputError, atomic


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
