"""Print the scores of every stage of a run, as evaluate.labels wrote them, and write <run>/summary.json.

Each folder of scores is a row; a run without saliency lacks some rows and has IRN's instead. Labels of further rules,
<run>/scores/label_*, follow the method's own. Class maps have two rows: at the threshold that is best on the ground
truth they are scored with, and at a fixed one.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from evaluate.scores import REPORTED, by_threshold, read_scores
from stages.arguments import file_name
from stages.command import command_parser, run_command
from stages.files import InputError, check_output, write_json

METHOD = ("label_initial", "label_pseudo", "label_seed", "label_irn", "label_masked")  # BE, POM; IRN's two; NSRM


class Row(NamedTuple):
    """A row of the table: a part of summary.json and the key in it, the folder below <run>/scores, the row's title."""

    part: str
    key: str
    folder: str
    title: str


def further_labels(folder: Path) -> list[str]:
    """The names `label_*` in `folder`, a run or its scores, that are neither of the method nor its variants, sorted.

    A variant is named after one of the method's folders, with `_` and a suffix: its place is in a table or a figure of
    its own (Table 4, Figure 6).
    """
    names = sorted(path.name for path in folder.glob("label_*") if path.is_dir())
    return [name for name in names if not any(f"{name}_".startswith(f"{own}_") for own in METHOD)]


def rows_of(run: Path, val: str = "val") -> list[Row]:
    """The rows that a run can have: maps, labels and predictions of training images, then predictions of `val`."""
    return [
        Row("train", "cam", "cam", "CAM"),
        Row("train", "oa_cam", "oa_cam", "OA-CAM"),
        Row("train", "cam_pyramid", "cam_pyramid", "CAM of scales and flips"),
        Row("train", "amn_cam", "amn_cam", "map (AMN)"),
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
    parser = command_parser(__doc__)
    parser.add_argument("--run", type=Path, required=True, help="reads <run>/scores/<folder>/scores.json")
    parser.add_argument(
        "--val", type=file_name, default="val", help="validation split, part of the names of prediction folders"
    )
    return parser


def said_of(cut: str, scores: dict[str, Any]) -> str:
    """The text after the title of scores at a `cut`, see evaluate.scores.by_threshold: for maps their threshold."""
    return f", threshold {scores['threshold']:g} ({'best here' if cut == 'best' else cut})" if cut else ""


def summarise(run: Path, val: str = "val") -> tuple[dict, str]:
    """({part: {key: mIoU in percent}}, the table as text), of the folders of scores that the run has.

    Raises InputError if there is none, or if one lacks its scores.
    """
    found = [row for row in rows_of(run, val) if (run / "scores" / row.folder).is_dir()]
    if not found:
        raise InputError(f"{run / 'scores'}: expected folders with scores.json of evaluate.labels, found none")
    summary, rows = {"train": {}, "val": {}}, []
    for row in found:
        all_scores = read_scores(run / "scores" / row.folder / "scores.json")
        for cut, scores in by_threshold(all_scores).items():
            beside = "_fixed" if cut == "fixed" and scores is not all_scores else ""
            summary[row.part][row.key + beside] = scores["mean_iou"]
            numbers = ["–" if scores[name] is None else f"{scores[name]:.2f}" for name in REPORTED]
            rows.append([str(all_scores.get("split", row.part)), row.title + said_of(cut, scores), *numbers])
    split_width, width = (max(map(len, column)) + 1 for column in list(zip(*rows, strict=True))[:2])
    split_width, width = max(7, split_width), max(22, width)
    lines = [f"{'images':{split_width}}{'':{width}}{'mIoU %':>8}{'ignored %':>11}{'false negative %':>18}"]
    for split, title, *numbers in rows:
        lines.append(f"{split:{split_width}}{title:{width}}{numbers[0]:>8}{numbers[1]:>11}{numbers[2]:>18}")
    if any("(best here)" in title for _, title, *_ in rows):
        lines.append("best here: of the thresholds tried, the one with the best mIoU on this same ground truth")
    return summary, "\n".join(lines)


def main(args: argparse.Namespace) -> None:
    """Print the table, write summary.json."""
    summary, table = summarise(args.run, args.val)
    check_output(args.run / "summary.json")
    write_json(args.run / "summary.json", summary)
    print(table)


if __name__ == "__main__":
    run_command(main, parser())
