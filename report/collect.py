"""Gather the scores of several runs, such as one for each seed, as JSON lines, one for each row of each run.

Reads what report.tables.table and seg.evaluate wrote below each run; report.study makes tables of means and intervals
of them. A line holds the run's setting and seed, the table, the row, the paper's number, the scores of seg.evaluate,
and the commit, PyTorch and machine that made them.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from common.scores import REPORTED, read_scores
from report.lines import write_lines
from report.tables import summary
from report.tables.table import scores_path
from stages.arguments import file_name
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, check_output, read_json


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of runs")
    parser.add_argument(
        "--tables",
        type=file_name,
        nargs="+",
        required=True,
        metavar="NAME",
        help="of <run>/<NAME>.json; left out where there is none",
    )
    parser.add_argument(
        "--setting",
        type=file_name,
        metavar="NAME",
        help="what the runs have in common but for their seeds; report.study makes the paper's tables of the setting "
        "ablation (default: the name of the folder that each run lies in)",
    )
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines to write")
    return parser


def short(scores: dict) -> dict:
    """What the tables show of seg.evaluate's report, in percent: of all images, and of simple and complex ones."""
    kinds = {kind: {key: scores[kind][key] for key in REPORTED} for kind in ("simple", "complex") if kind in scores}
    return {key: scores[key] for key in REPORTED} | kinds


def origin(run: Path, folder: Path | str, first: str = "cls") -> dict:
    """The seed of the run's `first` stage; commit, PyTorch and machine of the stage that made <run>/<folder>."""
    stage, record = (read_json(run / name / "stage.json") for name in (first, folder))
    try:
        versions = {key: record["versions"].get(key) for key in ("commit", "torch")}
        return {"seed": stage["arguments"]["seed"], **versions, "machine": record.get("machine")}
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{run}: expected stage.json of finished stages in {first} and {folder}") from None


def rows_of(path: Path) -> list[tuple[str, float | None, Path]]:
    """The rows of a table that report.tables.table wrote: (name, the paper's number, folder); or none."""
    try:
        rows = read_json(path) if path.exists() else []
        return [(row["row"], float(row["paper"]) if row["paper"] else None, Path(row["folder"])) for row in rows]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: expected the rows that report.tables.table writes") from None


def lines_of(run: Path, tables: list[str], setting: str | None = None) -> Iterator[dict]:
    """The lines of one run: the rows of its tables, then its label sets, the rows of report.tables.summary."""
    setting = setting or run.resolve().parent.name
    rows = [(table, *row) for table in tables for row in rows_of(run / f"{table}.json")]
    rows += [("labels", row.title, None, row.folder) for row in summary.rows_of(run) if row.part == "train"]
    for table, row, paper, folder in rows:
        if scores_path(run, folder).exists():
            scores = short(read_scores(scores_path(run, folder)))
            yield {"setting": setting, "table": table, "row": row, "paper": paper} | origin(run, folder) | scores


def main(args: argparse.Namespace) -> None:
    """Write the lines of all runs. Raises InputError if there is none."""
    check_output(args.out, *(run / f"{table}.json" for run in args.runs for table in args.tables))
    lines = [line for run in args.runs for line in lines_of(run, args.tables, args.setting)]
    write_lines(args.out, lines, args.runs, "scores of seg.evaluate")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
