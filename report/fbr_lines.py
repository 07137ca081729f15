"""Gather the scores of the runs of scripts/study/fbr.sh as JSON lines, one for each row and seed, for report.fbr.

A run is a folder of a seed, its folders are the rows. A line holds the row's name, seed and arguments, what made it,
the scores of report.context for CAMs and refined CAMs, and those of seg.evaluate for labels and predictions.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from report.collect import origin
from report.lines import label_scores, write_lines
from report.tables.table import scores_path
from stages.command import HelpFormatter, command_name, exit_on_input_error
from stages.files import InputError, check_output, read_json

MAPS = ("cam", "cam_refined")
EVALUATED = ("label_cam", "label_initial", "label_pseudo", "pred1_val", "pred2_val")  # from the second on: whole method
WEIGHTS = ("nroi_weight", "intra_weight", "similarity_weight", "segmentation_weight")
INSIDE = (  # of the scalars that cls.train_fbr --diagnose logs
    "share/hard pixels on objects",
    "share/hard pixels on context",
    "share/prototypes on objects",
    "share/prototypes on context",
    "share/context as background",
    "gradient ratio",
)
ARGUMENTS = ("heads", "labels", "background", "temperature", "centres", "bank_size", "projection_relu", *WEIGHTS)


def parser() -> argparse.ArgumentParser:
    """Parser of the command's arguments."""
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="folders of runs, one for each seed")
    parser.add_argument("--out", type=Path, required=True, help="file of JSON lines to write")
    return parser


def map_scores(path: Path) -> dict:
    """What the tables show of report.context's scores.json, in percent or None."""
    found = read_json(path)
    try:
        best, fixed = (found[name]["mean_iou"] for name in ("best", "fixed"))
        scores = {"best": best, "fixed": fixed, "context_at_60": found["context_at_60"], "auc": found["auc"]}
        if all(isinstance(score, (int, float, type(None))) for score in scores.values()):
            return scores
    except (KeyError, TypeError):
        pass
    raise InputError(f"{path}: expected the scores of report.context")


def inside(training: Path) -> dict:
    """Means of INSIDE over the second half of what a training logged, shares in percent; none if it logged none."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # slow to import

    log = EventAccumulator(str(training / "tensorboard"))
    log.Reload()
    logged, found = log.Tags()["scalars"], {}
    for name in [name for name in INSIDE if name in logged]:
        values = [each.value for each in log.Scalars(name)]
        values = values[len(values) // 2 :]
        found[name] = round(sum(values) / len(values) * (100 if name.startswith("share/") else 1), 4)
    return found


def line_of(row: Path) -> dict:
    """The line of one row of one seed. Scores that are not there, as of the whole method, are left out."""
    line = {"row": row.name} | origin(row, "cls")  # first: it refuses other records
    told = read_json(row / "cls" / "stage.json")["arguments"]
    line["arguments"] = {key: told[key] for key in ARGUMENTS if key in told}
    for names, scores_of in ((MAPS, map_scores), (EVALUATED, label_scores)):
        line |= {name: scores_of(scores_path(row, name)) for name in names if scores_path(row, name).exists()}
    if (row / "cls" / "tensorboard").is_dir() and (found := inside(row / "cls")):
        line["inside"] = found
    return line


def lines_of(run: Path) -> Iterator[dict]:
    """The lines of one run: its rows that are scored, in the order of their names."""
    for row in sorted(path for path in run.glob("*") if path.is_dir()):
        if all(scores_path(row, name).exists() for name in (*MAPS, EVALUATED[0])):
            yield line_of(row)


def main(args: argparse.Namespace) -> None:
    """Write the lines of all runs. Raises InputError if there is none."""
    patterns = ("*/cls/stage.json", "*/scores/*/scores.json")
    check_output(args.out, *(path for run in args.runs for pattern in patterns for path in run.glob(pattern)))
    lines = [line for run in args.runs for line in lines_of(run)]
    write_lines(args.out, lines, args.runs, "the scored rows of scripts/study/fbr.sh")


if __name__ == "__main__":
    with exit_on_input_error(command_name()):
        main(parser().parse_args())
