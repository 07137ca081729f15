"""Gather the scores of several runs, such as one for each seed, as JSON lines: one for each row of each run.

Rows are those of tables that report.tables.table wrote, or a study's folders of a run. A line holds the row, the seed,
the commit, PyTorch and machine that made it, and its scores; report.studies.tables makes tables of the lines.
"""

import argparse
import json
import operator
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

from evaluate.scores import REPORTED, read_scores
from report.studies.study import Study
from report.studies.tables import STUDIES
from report.tables import summary
from report.tables.table import scores_path
from stages.arguments import file_name
from stages.command import command_parser, run_command
from stages.files import InputError, check_output, read_json, write_lines


def parser() -> argparse.ArgumentParser:
    parser = command_parser(__doc__)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of runs")
    rows = parser.add_mutually_exclusive_group(required=True)
    rows.add_argument(
        "--tables", type=file_name, nargs="+", metavar="NAME", help="rows of <run>/<NAME>.json, where there is one"
    )
    rows.add_argument("--study", choices=[name for name in STUDIES if STUDIES[name].rows], help="rows of this study")
    parser.add_argument(
        "--setting",
        type=file_name,
        metavar="NAME",
        help="with --tables: what the runs have in common but for their seeds; the paper's tables are made of the "
        "setting ablation (default: the name of the folder that each run lies in)",
    )
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines to write")
    return parser


def origin(run: Path, folder: Path | str, first: str = "cls") -> dict:
    """The seed of the run's `first` stage; commit, PyTorch and machine of the stage that made <run>/<folder>."""
    stage, record = (read_json(run / name / "stage.json") for name in (first, folder))
    try:
        versions = {key: record["versions"].get(key) for key in ("commit", "torch")}
        return {"seed": stage["arguments"]["seed"], **versions, "machine": record.get("machine")}
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{run}: expected stage.json of finished stages in {first} and {folder}") from None


def table_rows(path: Path) -> list[tuple[str, float | None, Path]]:
    """The rows of a table that report.tables.table wrote: (name, the paper's number, folder); none without it."""
    try:
        rows = read_json(path) if path.exists() else []
        return [(row["row"], float(row["paper"]) if row["paper"] else None, Path(row["folder"])) for row in rows]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: expected the rows that report.tables.table writes") from None


def lines_of_tables(run: Path, tables: list[str], setting: str | None) -> Iterator[dict]:
    """The lines of one run: the rows of its tables that have scores, and its label sets, of report.tables.summary."""
    rows = [(table, *row) for table in tables for row in table_rows(run / f"{table}.json")]
    rows += [("labels", row.title, None, row.folder) for row in summary.rows_of(run) if row.part == "train"]
    for table, row, paper, folder in rows:
        if scores_path(run, folder).exists():
            found = read_scores(scores_path(run, folder))
            line = {"setting": setting or run.resolve().parent.name, "table": table, "row": row, "paper": paper}
            kinds = {
                kind: {key: found[kind][key] for key in REPORTED} for kind in ("simple", "complex") if kind in found
            }
            yield line | origin(run, folder) | {key: found[key] for key in REPORTED} | kinds


def number(path: Path, keys: str) -> float | None:
    """A score of a scores.json, at keys such as "fixed, mean_iou". Raises InputError if it is not there."""
    try:
        return reduce(operator.getitem, keys.split(", "), read_json(path))
    except (KeyError, TypeError):
        raise InputError(f"{path}: expected scores, {keys} among them") from None


def lines_of_study(run: Path, study: Study) -> Iterator[dict]:
    """The lines of one run: the rows of the study that have scores, with those that they have."""
    for row, stage in study.rows.items():
        files = {name: (scores_path(run / row, folder), keys) for name, (folder, keys) in study.scores.items()}
        if found := {name: number(*file) for name, file in files.items() if file[0].exists()}:
            yield {"row": row} | origin(run / row, stage, first=stage) | study.more(run / row) | found


def main(args: argparse.Namespace) -> None:
    """Write the lines of all runs. Raises InputError if there is none."""
    check_output(args.out, *(run / f"{table}.json" for run in args.runs for table in args.tables or []))
    if args.study:
        lines = [line for run in args.runs for line in lines_of_study(run, STUDIES[args.study])]
    else:
        lines = [line for run in args.runs for line in lines_of_tables(run, args.tables, args.setting)]
    if not lines:
        raise InputError(f"{args.runs[0]}: expected scores of rows below it, found none")
    write_lines(args.out, map(json.dumps, lines))
    print(f"{len(lines)} lines of {len(args.runs)} runs -> {args.out}")


if __name__ == "__main__":
    run_command(main, parser())
