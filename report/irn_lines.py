"""Gather the scores of the runs of scripts/study/irn.sh as JSON lines, one for each row and seed, for report.irn.

A run is a folder of a seed, its folders are the rows. A line holds the row's name and seed, what made it, and the
scores that it has: seg.evaluate's, with saliency and without, and seg.evaluate_instances'.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from report.collect import origin
from report.lines import label_scores, write_lines
from report.tables.table import scores_path
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, check_output, read_json

FIRST = {  # row: the stage whose record says what made it
    "ce": "cls",  # classification alone
    "fbr": "cls",  # with FBR
    "truth": "image_level/irn",  # the true class masks
    "plain": "cls",  # classification alone, on data without context
}
EVALUATED = {  # part of a line: folders that seg.evaluate scored
    "saliency": ("label_initial", "label_pseudo", "label_masked", "pred1_val", "pred2_val"),
    "image_level": ("cam_pyramid", "label_seed", "label_irn", "label_masked", "pred1_val", "pred2_val"),
}
THRESHOLDS = ("0.25", "0.5", "0.7", "0.75")  # of the IoU of masks, for AP


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of runs, one for each seed")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines to write")
    return parser


def ap_scores(path: Path) -> dict:
    """What the tables show of seg.evaluate_instances' scores.json: {threshold: mean AP in percent, or None}."""
    found = read_json(path)
    try:
        scores = {threshold: found["mean_ap"][threshold] for threshold in THRESHOLDS}
        if all(isinstance(score, (int, float, type(None))) for score in scores.values()):
            return scores
    except (KeyError, TypeError):
        pass
    raise InputError(f"{path}: expected the scores of seg.evaluate_instances at IoU {' '.join(THRESHOLDS)}")


def scores_of(row: Path) -> dict:
    """{part of a line: scores} of one row of one seed. Scores that are not there are left out."""
    found = {}
    for part, folder in (("saliency", row), ("image_level", row / "image_level")):
        paths = {name: scores_path(folder, name) for name in EVALUATED[part]}
        if scores := {name: label_scores(path) for name, path in paths.items() if path.exists()}:
            found[part] = scores
    instances = scores_path(row / "image_level", "instances")
    return found | {"ap": ap_scores(instances)} if instances.exists() else found


def lines_of(run: Path) -> Iterator[dict]:
    """The lines of one run: its rows that have scores."""
    for row, stage in FIRST.items():
        if scores := scores_of(run / row):
            yield {"row": row} | origin(run / row, stage, first=stage) | scores


def main(args: argparse.Namespace) -> None:
    """Write the lines of all runs. Raises InputError if there is none."""
    patterns = [f"{row}/{stage}/stage.json" for row, stage in FIRST.items()]
    patterns += ["*/scores/*/scores.json", "*/image_level/scores/*/scores.json"]
    check_output(args.out, *(path for run in args.runs for pattern in patterns for path in run.glob(pattern)))
    lines = [line for run in args.runs for line in lines_of(run)]
    write_lines(args.out, lines, args.runs, "the scored rows of scripts/study/irn.sh")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
