"""report.run.html on a run: the numbers of its overview, what it warns of, what it refuses."""

import json
import os
import re
import shutil
import sys

import numpy as np
import pytest
from markupsafe import escape

from common.files.images import read_indexed, write_grey, write_indexed
from report.run import html
from stages.files import InputError
from tests.report.runs import put, record

COMMIT = "0123456789" * 4
SCORES = {"mean_iou": 50.0, "ignored": 1.0, "false_negative": 2.0}
IOU = {"background": 90.0, "disc": 40.0, "square": 30.0, "bar": 40.0}


@pytest.fixture
def run(tiny_data, tmp_path):
    """A run on the tiny data: cls, cam, label_initial, seg1, pred1_val, and scores of three of them."""
    run = tmp_path / "runs/small"
    lines = (tiny_data / "lists/train.txt").read_text().splitlines()
    for id, *classes in map(str.split, lines):
        for cls in classes:
            (run / "cam").mkdir(parents=True, exist_ok=True)
            write_grey(run / "cam" / f"{id}_{cls}.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
        for name in ("label_initial", "pred1_val"):
            (run / name).mkdir(exist_ok=True)
            write_indexed(run / name / f"{id}.png", read_indexed(tiny_data / "SegmentationClass" / f"{id}.png") % 255)
    data = {"data": str(tiny_data), "split": "train"}
    put_stage(run / "cls", "cls.train", 0, data)
    put_stage(run / "cam", "cls.infer", 2, {**data, "weights": "runs/small/cls/weights.pth"})
    put_stage(run / "label_initial", "pseudo.background", 3, {**data, "oa_cam": "runs/small/cam"})
    put_stage(run / "seg1", "seg.train", 4, {**data, "labels": "runs/small/label_initial"})
    put_stage(run / "pred1_val", "seg.predict", 6, {**data, "split": "val", "weights": "runs/small/seg1/weights.pth"})
    maps = {"threshold": 0.6, "chosen": "best on this ground truth", "fixed": {"threshold": 0.3, "mean_iou": 33.33}}
    maps["fixed"] |= {"from": "--threshold", "ignored": 0.0, "false_negative": 0.0}
    maps["thresholds"] = [SCORES | {"threshold": share, "mean_iou": 100 * share} for share in (0.1, 0.3, 0.6)]
    put_scores(run, "cam", "train", maps)
    put_scores(run, "label_initial", "train", {})
    put_scores(run, "pred1_val", "val", {"mean_iou": 61.25})
    return run


def put_stage(folder, command, minute, arguments):
    """The record of a stage that began so many minutes after ten and took one."""
    paths = [name for name, value in arguments.items() if "/" in str(value)]
    inputs = {name: {"sha256": f"{arguments[name]}"} for name in paths}
    parts = {"arguments": arguments | {"seed": 1}, "inputs": inputs, "versions": {"commit": COMMIT}}
    put(folder / "stage.json", record(command, minute, **parts))


def put_scores(run, name, split, more):
    kinds = {kind: {"images": 2, **SCORES, "mean_iou": value} for kind, value in (("simple", 70.0), ("complex", 30.0))}
    arguments = {"data": str(run.parents[1] / "tiny"), "split": split, "pred": f"runs/small/{name}"}
    put_stage(run / "scores" / name, "evaluate.labels", 10, arguments)
    content = {"images": 4, "split": split, **SCORES, "class_iou": IOU, **kinds, **more}
    put(run / "scores" / name / "scores.json", content)
    image = {"id": "b_simple", "mean_iou": 50.0, "ignored": 0.0, "class_iou": {"background": 50.0}}
    put(run / "scores" / name / "images.jsonl", image)


def change(path, **more):
    """Changes a JSON object in a file."""
    put(path, json.loads(path.read_text()) | more)


def put_log(folder, curves):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder / "tensorboard") as log:
        for name, values in curves.items():
            for iteration, value in enumerate(values):
                log.add_scalar(name, value, 10 * iteration)


@pytest.fixture
def report(run, monkeypatch):
    """Writes the report of the run: (its folder, the text of its overview, its warnings)."""
    monkeypatch.setattr(sys, "argv", [html.__file__])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)  # one core: nothing in other processes

    def report(*more):
        html.main(html.parser().parse_args(["--run", str(run), "--out", str(run / "report"), *more]))
        found = json.loads((run / "report/report.json").read_text())
        return run / "report", (run / "report/index.html").read_text(), found["warnings"]

    return report


def shown(page):
    """The text of a page outside of tags."""
    return " ".join(re.sub(r"<svg.*?</svg>|<[^>]*>", " ", page, flags=re.DOTALL).split())


def test_the_overview_shows_scores_with_their_split_and_threshold(report):
    text = shown(report()[1])
    assert "Prediction, round 1 on val: 61.25 % mIoU , 70.00 % on simple images, 30.00 % on complex images" in text
    assert "CAM, threshold 0.6 (best here) 50.00 70.00 30.00 1.00 2.00" in text
    assert "CAM, threshold 0.3 (fixed) 33.33 – – 0.00 0.00" in text
    assert "Scored on train, 4 images, 2 simple and 2 complex" in text and "Scored on val, 4 images" in text
    assert "disc 40.0 40.0 40.0" in text and "8 of 8 finished" in text


def test_without_scores_and_with_an_unfinished_stage_there_is_a_report(report, run):
    report()
    shutil.rmtree(run / "scores")
    change(run / "seg1/stage.json", finished=None)
    assert report()[2] == ["Not finished: seg1"]  # in the place of the first


def test_without_the_data_set_there_is_no_gallery_and_one_line_says_so(report, run, tiny_data, capsys):
    tiny_data.rename(tiny_data.with_name("elsewhere"))
    out, text, _ = report()
    assert "see --data" in capsys.readouterr().err and not (out / "gallery.html").exists()
    assert "gallery.html" not in text and "61.25 % mIoU" in text
    assert (report("--data", str(tiny_data.with_name("elsewhere")))[0] / "gallery.html").exists()


def test_what_records_hold_cannot_become_markup(report, run):
    evil = "<script>alert(1)</script>"
    change(run / "cls/stage.json", summary=evil, call=evil, machine=evil, command=evil)
    scores = run / "scores/pred1_val/scores.json"
    change(scores, class_iou={evil: 1.0}, split=evil)
    text = report()[1]
    assert "<script>alert" not in text and "&lt;script&gt;alert(1)" in text


def label(run, value):
    """Give all initial labels one value; they have no scores."""
    shutil.rmtree(run / "scores/label_initial")
    for path in (run / "label_initial").glob("*.png"):
        write_indexed(path, np.full_like(read_indexed(path), value))


def black_labels(run, data):
    label(run, 0)
    lines = [f"copy{number} 0" for number in range(6)]
    (data / "lists/train.txt").write_text("\n".join(lines))
    for number in range(6):
        shutil.copy(data / "JPEGImages/a_simple.jpg", data / "JPEGImages" / f"copy{number}.jpg")
        shutil.copy(run / "label_initial/a_simple.png", run / "label_initial" / f"copy{number}.png")


def missed_class(run, data):
    change(run / "scores/pred1_val/scores.json", class_iou=IOU | {"bar": 0.0, "disc": 0.0})
    line = {"id": "b_simple", "mean_iou": 25.0, "ignored": 0.0, "class_iou": {"background": 50.0, "bar": 0.0}}
    (run / "scores/pred1_val/images.jsonl").write_text(json.dumps(line))  # no ground truth has a disc


def predicted_photographs(run, data):
    arguments = {"images": "photos", "data": None, "split": None, "weights": "runs/small/seg1/weights.pth"}
    put_stage(run / "mine", "seg.predict", 7, arguments)


def made_by(commit):
    return lambda run, data: change(run / "cam/stage.json", versions={"commit": commit})


LATE = {"finished": "2026-01-01 10:30:00"}
RISEN = {"loss/segmentation": [0.0] * 5 + [1.0] * 10 + [3.0] * 10, "lr": list(range(20))}
WARNINGS = {
    "none": (lambda run, data: None, []),
    "stale": (
        lambda run, data: change(run / "cam/stage.json", **LATE),
        ["label_initial is older than its input cam", "scores/cam is older than its input cam"],
    ),
    "commits": (made_by("f" * 40), ["Stages were made by different commits"]),
    "dirty": (
        made_by("f" * 40 + "-dirty"),
        ["Stages were made by different commits", "Made with uncommitted changes: cam"],
    ),
    "content": (
        lambda run, data: change(run / "cam/stage.json", inputs={"data": {"sha256": "another"}}),
        ["tiny had one content for cls"],
    ),
    "ignored": (
        lambda run, data: change(run / "scores/label_initial/scores.json", ignored=97.5),
        ["label_initial: 97.5 % of the pixels are ignored"],
    ),
    "ignored without scores": (
        lambda run, data: label(run, 255),
        ["label_initial: 100.0 % of the pixels are ignored", "label_initial: 4 of 4 labels looked at hold"],
    ),
    "black": (
        black_labels,
        ["label_initial: 6 of 6 labels looked at hold no object", "label_initial: never predicted"],
    ),
    "missed": (missed_class, ["pred1_val: never predicted, or never right: bar (IoU 0)"]),
    "photographs": (predicted_photographs, []),
    "constant": (
        lambda run, data: write_grey(run / "cam/a_simple_0.png", np.full((8, 8), 7, np.uint8)),
        ["cam: 1 of 7 maps looked at are constant (a_simple_0.png)"],
    ),
    "damaged": (lambda run, data: (run / "cam/a_simple_0.png").write_bytes(b"\x00"), ["cam: could not be checked"]),
    "waiting": (
        lambda run, data: put_log(run / "seg1", {"waiting for data": [0.1, 0.5]}),
        ["seg1: 50 % of the time was spent waiting for data"],
    ),
    "risen": (
        lambda run, data: put_log(run / "seg1", RISEN),
        ["seg1: the segmentation loss ended at 3, it began at 1"],
    ),
    "fallen": (lambda run, data: put_log(run / "seg1", {"loss/segmentation": list(np.linspace(1, 0.1, 30))}), []),
}


@pytest.mark.parametrize("name", WARNINGS)
def test_likely_problems_are_named(report, run, tiny_data, name):
    damage, expected = WARNINGS[name]
    damage(run, tiny_data)
    text, warnings = report("--images", "0")[1:]
    assert len(warnings) == len(expected), warnings
    assert all(any(start in warning for warning in warnings) for start in expected), warnings
    assert all(escape(warning) in text for warning in warnings)


@pytest.mark.parametrize("place", ["cam/report", "../../tiny/report", "."])
def test_a_report_is_written_beside_what_it_reads(run, place):
    args = html.parser().parse_args(["--run", str(run), "--out", str(run / place)])
    with pytest.raises(InputError, match="report|small"):
        html.main(args)
    assert not (run / place / "index.html").exists()
