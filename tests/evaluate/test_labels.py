"""evaluate.labels: scores of labels and of class maps, all together, by kind of image and image by image."""

import json
import shutil

import numpy as np
import pytest

from common.files.images import read_indexed, write_grey, write_indexed
from evaluate.labels import label_from_maps, parser, run
from evaluate.scores import image_miou
from stages.files import InputError


@pytest.fixture
def evaluate(tiny_data, tmp_path):
    """`evaluate(pred, name, *more)` scores the folder in this process; returns <tmp_path>/<name>/scores.json."""

    def score(pred, name, *more):
        (tmp_path / name).mkdir(exist_ok=True)
        words = [
            "--data",
            tiny_data,
            "--split",
            "train",
            "--pred",
            pred,
            "--out",
            tmp_path / name,
            "--workers",
            1,
            *more,
        ]
        run(parser().parse_args([str(word) for word in words]))
        return json.loads((tmp_path / name / "scores.json").read_text())

    return score


def put_predictions(tiny_data, tmp_path, change):
    """Writes `change(id, truth)` of each image as its prediction, to <tmp_path>/pred."""
    (tmp_path / "pred").mkdir()
    for path in (tiny_data / "SegmentationClass").glob("*.png"):
        write_indexed(tmp_path / "pred" / path.name, change(path.stem, read_indexed(path)).astype(np.uint8))
    return tmp_path / "pred"


def test_the_truth_scores_100(evaluate, tiny_data, capsys):
    report = evaluate(tiny_data / "SegmentationClass", "scores")
    assert report["mean_iou"] == 100 and report["ignored"] == report["false_negative"] == 0
    assert report["class_iou"] == {"background": 100, "disc": 100, "square": 100, "bar": 100}
    assert "100.0" in capsys.readouterr().out


def test_simple_and_complex_images_are_scored_apart(evaluate, tiny_data, tmp_path):
    pred = put_predictions(tiny_data, tmp_path, lambda id, truth: np.where((truth > 0) & ("complex" in id), 255, truth))
    report = evaluate(pred, "scores")
    assert report["simple"]["images"] == report["complex"]["images"] == 2
    assert report["simple"]["mean_iou"] == 100 and report["simple"]["ignored"] == 0
    assert report["complex"]["mean_iou"] is not None and report["complex"]["ignored"] > 0
    assert 0 < report["ignored"] < report["complex"]["ignored"]


def test_each_image_has_its_own_scores(evaluate, tiny_data, tmp_path):
    expected = {}

    def change(id, truth):
        prediction = np.where(truth == 1, 255, truth)
        expected[id] = image_miou(truth, prediction, 3)
        return prediction

    evaluate(put_predictions(tiny_data, tmp_path, change), "scores", "--workers", 2)
    lines = [json.loads(line) for line in (tmp_path / "scores" / "images.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["a_simple", "b_simple", "c_complex", "d_complex"]
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


def test_maps_are_scored_at_their_best_threshold_and_at_a_fixed_one(evaluate, cam, capsys):
    report = evaluate(cam, "scores", "--map-thresholds", 0.6, 0.2, 0.2)
    assert (report["split"], report["threshold"], report["chosen"]) == ("train", 0.6, "best on this ground truth")
    assert report["mean_iou"] == 100
    assert (report["fixed"]["threshold"], report["fixed"]["from"]) == (0.3, "the method")
    assert report["fixed"]["mean_iou"] < 50 and report["fixed"]["complex"]["mean_iou"] < 60
    assert [each["threshold"] for each in report["thresholds"]] == [0.2, 0.3, 0.6]
    assert report["thresholds"][2]["class_iou"] == report["class_iou"]
    assert report["thresholds"][1]["simple"] == report["fixed"]["simple"]
    assert '"thresholds"' not in capsys.readouterr().out
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


def test_the_strongest_map_wins():
    first = np.array([[0, 100, 255, 255]], np.uint8)
    second = np.array([[255, 200, 254, 0]], np.uint8)
    assert label_from_maps({0: first, 4: second}, (1, 4), 0.5).tolist() == [[5, 5, 1, 1]]
    assert label_from_maps({}, (1, 4), 0.5).tolist() == [[0, 0, 0, 0]]
