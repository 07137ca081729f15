"""Compare two runs in one Markdown table: arguments, inputs and versions that differ, then the scores of both.

Inputs are compared by their content. Scores are subtracted only if both are of the same images.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from evaluate.scores import by_threshold
from report.run.reading import Scored, Stage, argument_text, read_scored, read_stages
from report.run.templating import cell, number
from report.tables.table import markdown_table
from stages.command import command_parser, run_command

UNKNOWN = "(not recorded)"
CUTS = {"": "", "best": ", best threshold", "fixed": ", fixed threshold"}  # of scored maps


def parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("a", type=Path, metavar="A", help="run folder")
    parser.add_argument("b", type=Path, metavar="B", help="run folder to compare with A")
    return parser


def values_of(stage: Stage) -> dict[str, str]:
    """Command, arguments, hashes of inputs, versions and machine of a stage, as text by name."""
    record = stage.record
    found = {"command": stage.command, "finished": argument_text(bool(record["finished"]))}
    found |= {f"--{name.replace('_', '-')}": argument_text(value) for name, value in stage.arguments.items()}
    for name, content in record["inputs"].items():  # by content: the same data may be elsewhere
        found[f"--{name.replace('_', '-')}"] = str(content["sha256"])[:12]
    found |= {f"version of {name}": argument_text(value) for name, value in record["versions"].items()}
    return found | {name: argument_text(record[name]) for name in ("machine", "processes") if name in record}


def differences(a: list[Stage], b: list[Stage]) -> list[list[str]]:
    """Rows (stages, name, value in A, value in B) of what differs between two runs, stages that one lacks first."""
    one, other = ({stage.folder: values_of(stage) for stage in stages} for stages in (a, b))
    found = {("stage", "yes", "no"): [*(one.keys() - other)], ("stage", "no", "yes"): [*(other.keys() - one)]}
    for folder in [folder for folder in one if folder in other]:
        for name in dict.fromkeys([*one[folder], *other[folder]]):
            values = one[folder].get(name, UNKNOWN), other[folder].get(name, UNKNOWN)
            if len(set(values)) > 1:
                found.setdefault((name, *values), []).append(folder)
    return [[", ".join(sorted(folders)), *key] for key, folders in found.items() if folders]


def content_of(stages: Iterable[Stage], scored: Scored) -> tuple[str, str]:
    """The images that a folder was scored on: the split, and the SHA-256 of the data set's part."""
    record = next(stage.record for stage in stages if stage.folder == f"scores/{scored.folder}")
    return scored.split, str(record["inputs"].get("data", {}).get("sha256", ""))


def score_rows(a: tuple[Path, list[Stage]], b: tuple[Path, list[Stage]]) -> Iterator[list[str]]:
    """The mIoU of each scored folder: title, split, A, B, and their difference or why there is none."""
    scored = [{each.folder: each for each in read_scored(run)} for run, _ in (a, b)]
    for folder in dict.fromkeys([*scored[0], *scored[1]]):
        pair = [found.get(folder) for found in scored]
        shown = next(each for each in pair if each)
        tables = [by_threshold(each.scores) if each else {} for each in pair]
        on = [content_of(stages, each) for each, (_, stages) in zip(pair, (a, b)) if each]
        for cut in dict.fromkeys([*tables[0], *tables[1]]):
            one, other = (table[cut]["mean_iou"] if cut in table else None for table in tables)
            difference = "other images" if len(set(on)) > 1 or "" in on[0] else "–"
            if difference == "–" and None not in (one, other):
                difference = f"{round(other - one, 2) + 0.0:+.2f}".replace("-", "−")
            yield [shown.title + CUTS[cut], f"mIoU on {shown.split}, %", number(one), number(other), difference]


def text_of(a: Path, b: Path) -> str:
    """The comparison as Markdown. Raises InputError if a folder is no run, or its records or scores are unusable."""
    runs = [(run, read_stages(run)) for run in (a, b)]
    rows = [[*row, ""] for row in differences(*(stages for _, stages in runs))] + list(score_rows(*runs))
    body = [[cell(value) for value in row] for row in rows]
    return f"# A {cell(a)}, B {cell(b)}\n\n" + markdown_table(["stage", "what", "A", "B", "B - A"], body)


def main(args: argparse.Namespace) -> None:
    print(text_of(args.a, args.b), end="")


if __name__ == "__main__":
    run_command(main, parser())
