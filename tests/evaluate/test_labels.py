"""evaluate.labels: each image's own scores, and thresholds of class maps; tests/wiring has all the others."""

import json
import shutil

import numpy as np
import pytest

from common.files.images import read_indexed, write_grey, write_indexed
from evaluate.scores import image_miou
from stages.files import InputError


@pytest.fixture
def evaluate(here, tiny_data):
    """`evaluate(pred, name, *more)` scores the folder; returns <tmp_path>/<name>/scores.json."""

    def score(pred, name, *more):
        words = ("--data", tiny_data, "--split", "train", "--pred", pred, "--workers", 1, *more)
        return json.loads((here("evaluate.labels", name, *words) / "scores.json").read_text())

    return score


def test_each_image_has_its_own_scores(evaluate, tiny_data, tmp_path):
    (tmp_path / "pred").mkdir()
    expected = {}
    for path in sorted((tiny_data / "SegmentationClass").iterdir()):
        truth = read_indexed(path)
        prediction = np.where(truth == 1, 255, truth).astype(np.uint8)
        write_indexed(tmp_path / "pred" / path.name, prediction)
        expected[path.stem] = image_miou(truth, prediction, 3)
    evaluate(tmp_path / "pred", "scores", "--workers", 2)
    lines = [json.loads(line) for line in (tmp_path / "scores" / "images.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == list(expected)
    assert {line["id"]: line["mean_iou"] for line in lines} == pytest.approx(expected, abs=0.01)
    assert any(line["class_iou"].get("disc") == 0 and line["ignored"] > 0 for line in lines)
    assert "background" in lines[0]["class_iou"] and "bar" not in lines[0]["class_iou"]


@pytest.fixture
def cam(tiny_data, tmp_path):
    """Maps that are 1 on their class, 0.39 elsewhere and 0 in one corner: only thresholds from 0.4 separate them."""
    (tmp_path / "cam").mkdir()
    for line in (tiny_data / "lists" / "train.txt").read_text().splitlines():
        id, *classes = line.split()
        truth = read_indexed(tiny_data / "SegmentationClass" / f"{id}.png")
        for cls in classes:
            map_ = np.where(truth == int(cls) + 1, 255, 100).astype(np.uint8)
            map_[0, 0] = 0
            write_grey(tmp_path / "cam" / f"{id}_{cls}.png", map_)
    return tmp_path / "cam"


def test_a_fixed_threshold_alone(evaluate, cam):
    report = evaluate(cam, "alone", "--threshold", 0.2)
    assert (report["threshold"], report["chosen"]) == (0.2, "fixed") and report["mean_iou"] < 50
    assert len(report["thresholds"]) == 1


def test_a_threshold_from_another_split(evaluate, tiny_data, tmp_path, cam):
    evaluate(cam, "train", "--map-thresholds", 0.2, 0.7)
    shutil.copy(tiny_data / "lists" / "train.txt", tiny_data / "lists" / "other.txt")
    source = ["--threshold-from", tmp_path / "train" / "scores.json"]
    report = evaluate(cam, "other", "--split", "other", "--map-thresholds", 0.2, 0.4, *source)
    assert (report["threshold"], report["fixed"]["threshold"]) == (0.4, 0.7)
    assert report["fixed"]["from"] == str(source[1])
    with pytest.raises(InputError, match="scores.json: expected scores of another split than train"):
        evaluate(cam, "again", *source)
