"""Compare two runs: print which arguments, inputs and versions differ, and the scores of both, in Markdown.

Paths inside a run are compared as if both runs were in one place, and inputs by their content. Scores are subtracted
only if both are of the same images.
"""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

from evaluate.scores import by_threshold
from report.run.reading import Scored, Stage, argument_text, read_scored, read_stages, recorded_run
from report.run.templating import cell, number, signed
from report.tables.table import markdown_table
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError

RUN = "$RUN"  # stands for the run's own folder, as in scripts/
UNKNOWN = "(not recorded)"
CUTS = {"": "", "best": ", best threshold", "fixed": ", fixed threshold"}  # of scored maps


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("a", type=Path, metavar="A", help="run folder")
    parser.add_argument("b", type=Path, metavar="B", help="run folder to compare with A")
    return parser


def values_of(run: Path, stage: Stage) -> dict[str, str]:
    """What made a stage, as text by name: command, arguments, hashes of inputs, versions, machine."""
    record, own = stage.record, {str(run), str(run.resolve()), *recorded_run(stage)} - {".", "/"}

    def text(value: object) -> str:
        if isinstance(value, list):
            return " ".join(map(text, value)) or "none"
        shown = argument_text(value)
        inside = [place for place in own if shown == place or shown.startswith(f"{place}/")]
        return RUN + shown[len(max(inside, key=len)) :] if inside else shown

    found = {"command": stage.command, "finished": argument_text(bool(record["finished"]))}
    found |= {f"--{name.replace('_', '-')}": text(value) for name, value in stage.arguments.items()}
    for name, content in record["inputs"].items():  # by content: the same data may be elsewhere
        found[f"--{name.replace('_', '-')}"] = str(content["sha256"])[:12]
    found |= {f"version of {name}": argument_text(value) for name, value in record["versions"].items()}
    return found | {name: argument_text(record[name]) for name in ("machine", "processes") if name in record}


def differences(a: tuple[Path, list[Stage]], b: tuple[Path, list[Stage]]) -> list[tuple[str, str, str, str]]:
    """(stages, name, value in A, value in B) of what differs in the stages that both runs have."""
    stages = [{stage.folder: values_of(run, stage) for stage in found} for run, found in (a, b)]
    found = {}
    for folder in [folder for folder in stages[0] if folder in stages[1]]:
        one, other = (each[folder] for each in stages)
        for name in dict.fromkeys([*one, *other]):
            values = one.get(name, UNKNOWN), other.get(name, UNKNOWN)
            if len(set(values)) > 1:
                found.setdefault((name, *values), []).append(folder)
    return [(", ".join(folders), *key) for key, folders in found.items()]


def content_of(stages: Iterable[Stage], scored: Scored) -> tuple[str, str]:
    """What a folder was scored on: the split, and the SHA-256 of the data set's part."""
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
                difference = signed(round(other - one, 2) + 0.0)
            yield [shown.title + CUTS[cut], shown.split, number(one), number(other), difference]


def text_of(a: Path, b: Path) -> str:
    """The comparison as Markdown. Raises InputError if a folder is no run, or its records or scores are unusable."""
    runs = [(run, read_stages(run)) for run in (a, b)]
    folders = [[stage.folder for stage in stages] for _, stages in runs]
    parts = [f"# A {cell(a)}, B {cell(b)}", "## What differs"]
    for name, own, other in zip("AB", folders, reversed(folders)):
        if only := [folder for folder in own if folder not in other]:
            parts.append(f"Only {name} has: {', '.join(map(cell, only))}.")
    rows = [[cell(value) for value in row] for row in differences(*runs)]
    parts.append(
        markdown_table(["stages", "what", "A", "B"], rows) if rows else "The stages of both runs are the same."
    )
    scores = [[cell(value) for value in row] for row in score_rows(*runs)]
    parts.append("## Scores (mIoU in %)")
    parts.append(markdown_table(["stage", "split", "A", "B", "B - A"], scores) if scores else "There are none.")
    return "\n\n".join(part.rstrip("\n") for part in parts)


def main(args: argparse.Namespace) -> None:
    for run in (args.a, args.b):
        if not run.is_dir():
            raise InputError(f"{run}: expected the folder of a run")
    print(text_of(args.a, args.b))


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
