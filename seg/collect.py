"""Gathers the scores of several runs, such as one for each seed, into one JSON line per row and run.

Reads what seg.table and seg.evaluate wrote below each run; seg.report makes tables with means and intervals from it.
A line holds the run's setting (the name of the folder that the run lies in), its seed, the table, the row, the paper's
number, the scores of seg.evaluate, and the commit, PyTorch and machine that made them.
"""

import argparse
import json
from pathlib import Path

from common.arguments import file_name
from common.cli import HelpFormatter, command_name, exit_on_input_error
from common.files import InputError, atomic, check_output, read_json
from seg.scores import REPORTED, read_scores
from seg.summary import ROWS
from seg.table import scores_path


def parser():
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of runs")
    parser.add_argument(
        "--tables",
        type=file_name,
        nargs="+",
        required=True,
        metavar="NAME",
        help="of <run>/<NAME>.json; what lacks is left out",
    )
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines to write")
    return parser


def short(scores):
    """Of seg.evaluate's report what the tables show, in percent, of all, simple and complex images."""
    kinds = {kind: {key: scores[kind][key] for key in REPORTED} for kind in ("simple", "complex") if kind in scores}
    return {key: scores[key] for key in REPORTED} | kinds


def origin(run, folder):
    """The seed of the run's classifier; commit, PyTorch and machine of the stage that made <run>/<folder>."""
    first, record = (read_json(run / name / "stage.json") for name in ("cls", folder))
    try:
        versions = {key: record["versions"].get(key) for key in ("commit", "torch")}
        return {"seed": first["arguments"]["seed"], **versions, "machine": record.get("machine")}
    except (KeyError, TypeError, AttributeError):
        raise InputError(f"{run}: expected stage.json of finished stages in cls and {folder}") from None


def rows_of(path):
    """The rows of a table that seg.table wrote: (name, the paper's number or None, folder); none if it is not there."""
    try:
        rows = read_json(path) if path.exists() else []
        return [(row["row"], float(row["paper"]) if row["paper"] else None, Path(row["folder"])) for row in rows]
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{path}: expected the rows that seg.table writes") from None


def lines_of(run, tables):
    """The lines of one run, dictionaries: the rows of its tables, then its label sets (the rows of seg.summary)."""
    rows = [(table, *row) for table in tables for row in rows_of(run / f"{table}.json")]
    rows += [("labels", title, None, folder) for part, _, folder, title in ROWS if part == "train"]
    for table, row, paper, folder in rows:
        if scores_path(run, folder).exists():
            scores = short(read_scores(scores_path(run, folder)))
            setting = run.resolve().parent.name
            yield {"setting": setting, "table": table, "row": row, "paper": paper} | origin(run, folder) | scores


def main(args):
    check_output(args.out, *(run / f"{table}.json" for run in args.runs for table in args.tables))
    lines = [line for run in args.runs for line in lines_of(run, args.tables)]
    if not lines:
        raise InputError(f"{args.runs[0]}: expected scores of seg.evaluate below it")
    with atomic(args.out) as partial:
        partial.write_text("".join(json.dumps(line) + "\n" for line in lines))
    print(f"{len(lines)} lines of {len(args.runs)} runs -> {args.out}")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
