"""report.studies.collect: a line for each row of each run, from the files that the commands of a run leave."""

import json

import pytest
from torch.utils.tensorboard import SummaryWriter

from report.studies.collect import main, parser
from report.studies.fbr import INSIDE
from stages.files import InputError
from tests.report.runs import put

ORIGIN = {"seed": 2, "commit": "c", "torch": "2", "machine": "M"}
LABELS = {"mean_iou": 56.0, "ignored": 1.0, "false_negative": 2.0}


def put_stage(folder, **arguments):
    record = {"arguments": {"seed": 2} | arguments, "versions": {"commit": "c", "torch": "2"}, "machine": "M"}
    put(folder / "stage.json", record)


@pytest.fixture
def collect(tmp_path):
    """`collect(*rows)`: the lines of the run below tmp_path/faint."""

    def run(*rows):
        words = ["--runs", tmp_path / "faint/seed2", *rows, "--out", tmp_path / "lines.jsonl"]
        main(parser().parse_args(list(map(str, words))))
        return [json.loads(line) for line in (tmp_path / "lines.jsonl").read_text().splitlines()]

    return run


def test_rows_of_tables_and_label_sets(collect, tmp_path):
    run = tmp_path / "faint/seed2"
    rows = [{"row": "+ GR", "paper": "68.8", "folder": "b"}, {"row": "not run", "paper": "", "folder": "none"}]
    put(run / "table3.json", rows)
    for folder in ("cls", "b", "label_otsu", "label_masked_kernel5"):
        put_stage(run / folder)
        put(run / "scores" / folder / "scores.json", LABELS | {"pixel_accuracy": 3.0, "simple": LABELS})
    line, label = collect("--tables", "table3", "fig6")
    expected = {"setting": "faint", "table": "table3", "row": "+ GR", "paper": 68.8} | ORIGIN | LABELS
    assert line == expected | {"simple": LABELS}
    assert (label["table"], label["row"], label["paper"]) == ("labels", "label_otsu", None)
    assert collect("--tables", "table3", "--setting", "ablation")[0]["setting"] == "ablation"


def test_rows_of_fbr(collect, tmp_path):
    row = tmp_path / "faint/seed2/none_refined"
    put_stage(row / "cls", heads="none", background=0.5, epochs=3)
    put(row / "scores/cam/scores.json", LABELS | {"fixed": LABELS | {"mean_iou": 51.0}})
    put(row / "scores/context_cam/scores.json", {"context_at_60": 59.0, "auc": None})
    put(row / "scores/label_cam/scores.json", LABELS)
    with SummaryWriter(row / "cls/tensorboard") as log:
        for step in range(4):  # in the first half 0
            for name in (*INSIDE, "loss/nroi"):
                log.add_scalar(name, (0, 0, 0.25, 0.75)[step], step)
    (line,) = collect("--study", "fbr")
    inside = {f"inside, {name}": 50 for name in INSIDE} | {"inside, gradient ratio": 0.5}
    maps = {"cam, best": 56.0, "cam, fixed": 51.0, "cam, context_at_60": 59.0, "cam, auc": None}
    told = {"arguments, heads": "none", "arguments, background": 0.5}
    labels = {f"label_cam, {name}": score for name, score in LABELS.items()}
    assert line == {"row": "none_refined"} | ORIGIN | told | inside | maps | labels


def test_rows_of_irn(collect, tmp_path):
    row, ap = tmp_path / "faint/seed2/truth", {"0.25": 64.0, "0.5": 54.0, "0.7": 44.0, "0.75": 34.0}
    put_stage(row / "image_level/irn")
    put(row / "scores/label_pseudo/scores.json", LABELS)
    put(row / "image_level/scores/label_irn/scores.json", LABELS | {"mean_iou": None})
    put(row / "image_level/scores/instances/scores.json", {"images": 9, "mean_ap": ap})
    (line,) = collect("--study", "irn")
    assert line["row"] == "truth" and line.items() >= ORIGIN.items()
    assert line["saliency, label_pseudo, mean_iou"] == 56 and line["image_level, label_irn, mean_iou"] is None
    assert line["ap, 0.5"] == 54 and len(line) == 5 + 3 + 3 + 4
    for content in ({"mean_ap": {"0.25": 1.0}}, []):
        put(row / "image_level/scores/instances/scores.json", content)
        with pytest.raises(InputError, match="instances/scores.json: expected scores, mean_ap, 0"):
            collect("--study", "irn")
    (row / "image_level/irn/stage.json").write_text('{"arguments": {}}')
    put(row / "image_level/scores/instances/scores.json", {"mean_ap": ap})
    with pytest.raises(InputError, match="truth: expected stage.json of finished stages in image_level/irn"):
        collect("--study", "irn")


def test_rows_of_real(collect, tmp_path):
    """A row of weaker saliency has no classifier of its own: its origin is that of the row main."""
    run = tmp_path / "faint/seed2"
    put_stage(run / "main/cls")
    for row in ("main", "mild"):
        put(run / row / "scores/label_initial/scores.json", LABELS | {"simple": LABELS, "complex": LABELS})
    lines = collect("--study", "real")
    assert [each["row"] for each in lines] == ["main", "mild"] and lines[1].items() >= ORIGIN.items()
    assert lines[1]["label_initial, mean_iou"] == 56
