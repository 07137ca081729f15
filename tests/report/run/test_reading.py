"""report.run.reading: a run's stages, scores and logs, whole or damaged."""

import json
import shutil

import pytest

from report.run.reading import data_of, read_curves, read_scored, read_stages
from stages.files import InputError
from tests.report.runs import put, record

LINE = {"id": "a", "mean_iou": None, "ignored": 0.0, "class_iou": {}}


@pytest.fixture
def run(tmp_path, tiny_data):
    """A run with a training that has ended, one that has not, and four folders of scores."""
    data = {"split": "train", "data": str(tiny_data)}
    put(tmp_path / "seg1/stage.json", record("cls.train", 20, finished=None))
    put(tmp_path / "cls/stage.json", record("cls.train", arguments=data))
    put(tmp_path / "no_glore/cls/stage.json", record("cls.train", finished=None))
    for name, split in (("label_mine", "train"), ("pred2_half", "half"), ("cam", "train"), ("pred1_half", "half")):
        put(tmp_path / "scores" / name / "stage.json", record("evaluate.labels", 40, arguments={"split": split}))
        scores = {"mean_iou": 50.0, "ignored": 0.0, "false_negative": None}
        put(tmp_path / "scores" / name / "scores.json", scores)
        put(tmp_path / "scores" / name / "images.jsonl", json.dumps(LINE) + "\n" if name == "cam" else "")
    put(tmp_path / "scores/instances/stage.json", record("evaluate.instances", finished=None))
    put(tmp_path / "scores/instances/scores.json", {"mean_ap": {}})
    return tmp_path


def test_stages_stand_in_the_order_of_their_start(run):
    put(run / "again/stage.json", record("cls.train", 30, finished=None))
    stages = [stage for stage in read_stages(run) if "/" not in stage.folder]
    assert [(stage.folder, stage.seconds) for stage in stages] == [("cls", 60.0), ("seg1", None), ("again", None)]
    assert stages[0].command == "cls.train" and stages[0].arguments["split"] == "train"
    assert "scores/cam" in [stage.folder for stage in read_stages(run)]


def test_scores_stand_in_the_order_of_the_method(run):
    found = read_scored(run)
    assert [(each.folder, each.title, each.split) for each in found] == [
        ("cam", "CAM", "train"),
        ("label_mine", "label_mine", "train"),
        ("pred1_half", "prediction, round 1", "half"),
        ("pred2_half", "prediction, round 2", "half"),
    ]
    assert [len(each.images) for each in found] == [1, 0, 0, 0] and found[0].scores["mean_iou"] == 50


def test_the_data_set_is_the_one_of_the_records(run, tiny_data, tmp_path):
    assert data_of(read_stages(run)).root == tiny_data
    shutil.rmtree(tiny_data)
    assert data_of(read_stages(run)) is None
    with pytest.raises(InputError, match="nowhere/classes.txt: cannot be read"):
        data_of(read_stages(run), tmp_path / "nowhere")


def test_damaged_runs_are_refused(run):
    for path, content, message in (
        ("cls/stage.json", "[]", "cls/stage.json: expected the record of a stage"),
        ("cls/stage.json", record("cls.train", arguments=3), "expected the record of a stage"),
        ("scores/cam/scores.json", "[]", "expected the scores of evaluate.labels"),
        ("scores/cam/images.jsonl", "[]\n", "images.jsonl: expected the scores of images"),
        ("cls/stage.json", record("cls.train", inputs={"data": 5}), "expected the record of a stage"),
        ("scores/cam/images.jsonl", LINE | {"id": 3}, "images.jsonl: expected the scores of images"),
        ("scores/cam/images.jsonl", LINE | {"mean_iou": float("nan")}, "images.jsonl: expected the scores of images"),
        ("scores/cam/images.jsonl", LINE | {"ignored": 10**400}, "images.jsonl: expected the scores of images"),
        ("scores/cam/images.jsonl", LINE | {"class_iou": {"disc": "x"}}, "expected the scores of images"),
    ):
        before = (run / path).read_text()
        put(run / path, content)
        with pytest.raises(InputError, match=message):
            read_stages(run)
            read_scored(run)
        put(run / path, before)
    with pytest.raises(InputError, match="expected a run, folders with the stage.json of a command"):
        read_stages(run / "cls")


def test_curves_of_a_training(run):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(run / "cls" / "tensorboard") as log:
        for iteration in range(3):
            log.add_scalar("loss/classification", 1 / (1 + iteration), 10 * iteration)
    assert read_curves(run / "cls") == {"loss/classification": [(0, 1.0), (10, 0.5), (20, pytest.approx(1 / 3))]}
    assert read_curves(run / "seg1") == {}
    next((run / "cls" / "tensorboard").iterdir()).write_bytes(b"\xff" * 100)
    assert read_curves(run / "cls") == {}
