"""Checks that every stage of a run has finished and that what it wrote is there: python benchmarks/finished.py RUN

Prints a line a stage; the exit status is 1 if one is not as it should be.
"""

import json
import math
import sys
from pathlib import Path

from measurement import ROOT  # noqa: F401  (makes the packages importable)

from common.dataset import DataSet
from common.maps import map_path

TRAININGS = ("cls", "iam", "seg1", "seg2")
MAPS = ("cam", "oa_cam")
LABELS = {"label_initial": "train", "label_pseudo": "train", "pred1": "train", "label_masked": "train"}
LABELS |= {"pred1_val": "val", "pred2_val": "val"}


def outputs_of(run, dataset):
    """{stage's folder: the files that it has to hold}, paths relative to the run."""
    outputs = {name: [Path(name, "weights.pth")] for name in TRAININGS}
    items = dataset.split("train")
    outputs |= {name: [map_path(Path(name), item.id, cls) for item in items for cls in item.classes] for name in MAPS}
    for name, split in LABELS.items():
        outputs[name] = [Path(name, f"{item.id}.png") for item in dataset.split(split)]
    for name in (*MAPS, *LABELS):
        outputs[f"scores/{name}"] = [Path("scores", name, "scores.json")]
    return outputs


def fault_of(run, name, files):
    """What is wrong with a stage, in words, or None."""
    record = run / name / "stage.json"
    if not record.exists():
        return "there is no record"
    if not json.loads(record.read_text())["finished"]:
        return "not finished"
    lacking = [str(path) for path in files if not (run / path).exists()]
    return f"{lacking[0]} and {len(lacking) - 1} more are missing" if lacking else None


def main(run):
    record = json.loads((run / "cls/stage.json").read_text())
    outputs = outputs_of(run, DataSet(record["arguments"]["data"]))
    faults = {name: fault_of(run, name, files) for name, files in outputs.items()}
    for name, fault in faults.items():
        print(f"{'FAILED' if fault else 'ok':7} {name}: {fault or f'{len(outputs[name])} files'}")
    summary = json.loads((run / "summary.json").read_text())
    scores = [score for part in summary.values() for score in part.values()]
    finite = len(scores) == 8 and all(math.isfinite(score) for score in scores)
    print(f"{'ok' if finite else 'FAILED':7} summary: {scores}")
    sys.exit(0 if finite and not any(faults.values()) else 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
