"""Prints where quality is won or lost along a run, from the scores that seg.evaluate wrote; writes <run>/summary.json."""

import argparse
from pathlib import Path

from common.arguments import file_name
from common.cli import exit_on_input_error
from common.files import check_output, write_json
from seg.scores import REPORTED, read_scores

ROWS = [  # part and key of summary.json, folder below <run>/scores, what the table calls it
    ("train", "cam", "cam", "CAM"),
    ("train", "oa_cam", "oa_cam", "OA-CAM"),
    ("train", "label_initial", "label_initial", "initial label (BE)"),
    ("train", "label_pseudo", "label_pseudo", "pseudo label (POM)"),
    ("train", "pred1", "pred1", "prediction, round 1"),
    ("train", "label_masked", "label_masked", "masked label (NSRM)"),
    ("val", "round1", "pred1_{val}", "prediction, round 1"),
    ("val", "round2", "pred2_{val}", "prediction, round 2"),
]


def parser():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="reads <run>/scores/<folder>/scores.json")
    parser.add_argument(
        "--val", type=file_name, default="val", help="the validation split, which the folders are named after"
    )
    return parser


def summarise(run, val):
    """Returns the table as text. Raises InputError if a score is missing."""
    summary = {"train": {}, "val": {}}
    lines = [f"{'images':7}{'':22}{'mIoU %':>8}{'ignored %':>11}{'false negative %':>18}"]
    for part, key, folder, title in ROWS:
        scores = read_scores(run / "scores" / folder.format(val=val) / "scores.json")
        summary[part][key] = scores["mean_iou"]
        numbers = ["–" if scores[name] is None else f"{scores[name]:.2f}" for name in REPORTED]
        lines.append(f"{part:7}{title:22}{numbers[0]:>8}{numbers[1]:>11}{numbers[2]:>18}")
    check_output(run / "summary.json")
    write_json(run / "summary.json", summary)
    return "\n".join(lines)


if __name__ == "__main__":
    with exit_on_input_error("seg.summary"):
        args = parser().parse_args()
        print(summarise(args.run, args.val))
