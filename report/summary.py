"""Print where quality is won or lost along a run, from the scores that seg.evaluate wrote; write <run>/summary.json.

A run has a row for each folder of scores: one without saliency lacks some, and has IRN's. Labels of further rules,
<run>/scores/label_*, stand behind the method's own.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

from common.scores import REPORTED, read_scores
from report.labels import further_labels
from stages.arguments import file_name
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, check_output, write_json


class Row(NamedTuple):
    """A row of the table: a part of summary.json and the key in it, the folder below <run>/scores, the row's title."""

    part: str
    key: str
    folder: str
    title: str


def rows_of(run: Path, val: str = "val") -> list[Row]:
    """The rows that a run can have: maps, labels and predictions of training images, then predictions of `val`."""
    return [
        Row("train", "cam", "cam", "CAM"),
        Row("train", "oa_cam", "oa_cam", "OA-CAM"),
        Row("train", "cam_pyramid", "cam_pyramid", "CAM of scales and flips"),
        Row("train", "label_initial", "label_initial", "initial label (BE)"),
        Row("train", "label_pseudo", "label_pseudo", "pseudo label (POM)"),
        Row("train", "label_seed", "label_seed", "seed (IRN)"),
        Row("train", "label_irn", "label_irn", "label (IRN)"),
        Row("train", "pred1", "pred1", "prediction, round 1"),
        Row("train", "label_masked", "label_masked", "masked label (NSRM)"),
        *(Row("train", name, name, name) for name in further_labels(run / "scores")),
        Row("val", "round1", f"pred1_{val}", "prediction, round 1"),
        Row("val", "round2", f"pred2_{val}", "prediction, round 2"),
    ]


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="reads <run>/scores/<folder>/scores.json")
    parser.add_argument(
        "--val", type=file_name, default="val", help="the validation split, which the folders are named after"
    )
    return parser


def summarise(run: Path, val: str = "val") -> tuple[dict, str]:
    """({part: {key: mIoU in percent}}, the table as text), of the folders of scores that the run has.

    Raises InputError if there is none, or if one lacks its scores.
    """
    rows = [row for row in rows_of(run, val) if (run / "scores" / row.folder).is_dir()]
    if not rows:
        raise InputError(f"{run / 'scores'}: expected folders with scores.json of seg.evaluate, found none")
    width = max(22, *(len(row.title) + 1 for row in rows))
    summary = {"train": {}, "val": {}}
    lines = [f"{'images':7}{'':{width}}{'mIoU %':>8}{'ignored %':>11}{'false negative %':>18}"]
    for row in rows:
        scores = read_scores(run / "scores" / row.folder / "scores.json")
        summary[row.part][row.key] = scores["mean_iou"]
        numbers = ["–" if scores[name] is None else f"{scores[name]:.2f}" for name in REPORTED]
        lines.append(f"{row.part:7}{row.title:{width}}{numbers[0]:>8}{numbers[1]:>11}{numbers[2]:>18}")
    return summary, "\n".join(lines)


def main(args: argparse.Namespace) -> None:
    """Print the table, write summary.json."""
    summary, table = summarise(args.run, args.val)
    check_output(args.run / "summary.json")
    write_json(args.run / "summary.json", summary)
    print(table)


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
