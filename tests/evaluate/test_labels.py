"""evaluate.labels and report.tables.summary as commands."""

import json
import shutil

import numpy as np
import pytest

from common.files.images import read_indexed, write_grey, write_indexed
from evaluate.labels import label_from_maps
from evaluate.scores import image_miou


def evaluate(run_command, data, pred, out, *more):
    return run_command(
        "evaluate.labels", "--data", data, "--split", "train", "--pred", pred, "--out", out, "--workers", 1, *more
    )


def test_the_truth_scores_100(run_command, tiny_data, tmp_path):
    result = evaluate(run_command, tiny_data, tiny_data / "SegmentationClass", tmp_path / "scores")
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert report["mean_iou"] == 100 and report["ignored"] == report["false_negative"] == 0
    assert report["class_iou"] == {"background": 100, "disc": 100, "square": 100, "bar": 100}
    assert "100.0" in result.stdout


def test_simple_and_complex_images_are_scored_apart(run_command, tiny_data, tmp_path):
    (tmp_path / "pred").mkdir()
    for path in (tiny_data / "SegmentationClass").glob("*.png"):
        truth = read_indexed(path)
        if "complex" in path.stem:
            truth = np.where(truth > 0, 255, truth).astype(np.uint8)
        write_indexed(tmp_path / "pred" / path.name, truth)
    evaluate(run_command, tiny_data, tmp_path / "pred", tmp_path / "scores")
    report = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert report["simple"]["images"] == report["complex"]["images"] == 2
    assert report["simple"]["mean_iou"] == 100 and report["simple"]["ignored"] == 0
    assert report["complex"]["mean_iou"] is not None and report["complex"]["ignored"] > 0
    assert 0 < report["ignored"] < report["complex"]["ignored"]


def test_only_background(run_command, tiny_data, tmp_path):
    (tmp_path / "pred").mkdir()
    for path in (tiny_data / "SegmentationClass").glob("*.png"):
        write_indexed(tmp_path / "pred" / path.name, np.zeros_like(read_indexed(path)))
    evaluate(run_command, tiny_data, tmp_path / "pred", tmp_path / "scores")
    report = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert report["false_negative"] == 100 and report["class_iou"]["disc"] == 0 and report["mean_iou"] < 25


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


def scores_in(folder):
    return json.loads((folder / "scores.json").read_text())


def test_maps_are_scored_at_their_best_threshold_and_at_a_fixed_one(run_command, tiny_data, tmp_path, cam):
    result = evaluate(run_command, tiny_data, cam, tmp_path / "scores", "--map-thresholds", 0.6, 0.2, 0.2)
    assert result.returncode == 0, result.stderr
    report = scores_in(tmp_path / "scores")
    assert (report["split"], report["threshold"], report["chosen"]) == ("train", 0.6, "best on this ground truth")
    assert report["mean_iou"] == 100
    assert (report["fixed"]["threshold"], report["fixed"]["from"]) == (0.3, "the method")
    assert report["fixed"]["mean_iou"] < 50 and report["fixed"]["complex"]["mean_iou"] < 60
    assert [each["threshold"] for each in report["thresholds"]] == [0.2, 0.3, 0.6]
    assert report["thresholds"][2]["class_iou"] == report["class_iou"]
    assert report["thresholds"][1]["simple"] == report["fixed"]["simple"]
    assert "threshold 0.6, best on this ground truth" in result.stdout and '"thresholds"' not in result.stdout


def test_a_fixed_threshold_alone(run_command, tiny_data, tmp_path, cam):
    assert evaluate(run_command, tiny_data, cam, tmp_path / "scores", "--threshold", 0.2).returncode == 0
    report = scores_in(tmp_path / "scores")
    assert (report["threshold"], report["chosen"]) == (0.2, "fixed") and report["mean_iou"] < 50
    assert len(report["thresholds"]) == 1


def test_a_threshold_from_another_split(run_command, tiny_data, tmp_path, cam):
    evaluate(run_command, tiny_data, cam, tmp_path / "train", "--map-thresholds", 0.2, 0.7)
    shutil.copy(tiny_data / "lists" / "train.txt", tiny_data / "lists" / "other.txt")
    more = ["--split", "other", "--map-thresholds", 0.2, 0.4, "--threshold-from", tmp_path / "train" / "scores.json"]
    result = evaluate(run_command, tiny_data, cam, tmp_path / "other", *more)
    assert result.returncode == 0, result.stderr
    report = scores_in(tmp_path / "other")
    assert (report["threshold"], report["fixed"]["threshold"]) == (0.4, 0.7)
    assert report["fixed"]["from"] == str(tmp_path / "train" / "scores.json")


def test_a_threshold_that_was_chosen_on_the_same_split_is_refused(run_command, tiny_data, tmp_path, cam):
    evaluate(run_command, tiny_data, cam, tmp_path / "train", "--map-thresholds", 0.2, 0.7)
    path = tmp_path / "train" / "scores.json"
    result = evaluate(run_command, tiny_data, cam, tmp_path / "again", "--threshold-from", path)
    assert result.returncode == 2 and "scores.json: expected scores of another split than train" in result.stderr
    report = scores_in(tmp_path / "train")
    path.write_text(json.dumps({key: value for key, value in report.items() if key != "split"}))  # an earlier version's
    result = evaluate(run_command, tiny_data, cam, tmp_path / "again", "--threshold-from", path)
    assert result.returncode == 2 and "expected scores of another split than train" in result.stderr


def test_scores_of_an_earlier_version_are_not_made_anew(run_command, tiny_data, tmp_path, cam):
    arguments = [run_command, tiny_data, cam, tmp_path / "scores", "--map-thresholds", 0.2, 0.7]
    evaluate(*arguments)
    record = json.loads((tmp_path / "scores" / "stage.json").read_text())
    del record["arguments"]["threshold"], record["arguments"]["threshold_from"]
    (tmp_path / "scores" / "stage.json").write_text(json.dumps(record | {"files": 1}))
    (tmp_path / "scores" / "images.jsonl").unlink()
    result = evaluate(*arguments)
    assert result.returncode == 0 and "is finished, nothing to do" in result.stdout


def test_each_image_has_its_own_scores(run_command, tiny_data, tmp_path):
    ids = [line.split()[0] for line in (tiny_data / "lists" / "train.txt").read_text().splitlines()]
    (tmp_path / "pred").mkdir()
    expected = {}
    for id in ids:
        truth = read_indexed(tiny_data / "SegmentationClass" / f"{id}.png")
        prediction = np.where(truth == 1, 255, truth).astype(np.uint8)
        write_indexed(tmp_path / "pred" / f"{id}.png", prediction)
        expected[id] = image_miou(truth, prediction, 3)
    assert evaluate(run_command, tiny_data, tmp_path / "pred", tmp_path / "scores", "--workers", 2).returncode == 0
    lines = [json.loads(line) for line in (tmp_path / "scores" / "images.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ids
    assert {line["id"]: line["mean_iou"] for line in lines} == pytest.approx(expected, abs=0.01)
    assert any(line["class_iou"].get("disc") == 0 and line["ignored"] > 0 for line in lines)
    assert all("background" in line["class_iou"] and "bar" not in line["class_iou"] for line in lines[:1])


def test_the_strongest_map_wins():
    first = np.array([[0, 100, 255, 255]], np.uint8)
    second = np.array([[255, 200, 254, 0]], np.uint8)
    assert label_from_maps({0: first, 4: second}, (1, 4), 0.5).tolist() == [[5, 5, 1, 1]]
    assert label_from_maps({}, (1, 4), 0.5).tolist() == [[0, 0, 0, 0]]


def test_wrong_predictions_are_named(run_command, tiny_data, tmp_path):
    (tmp_path / "pred").mkdir()
    write_grey(tmp_path / "pred" / "a_simple.png", np.zeros((48, 64), np.uint8))
    result = evaluate(run_command, tiny_data, tmp_path / "pred", tmp_path / "scores")
    assert result.returncode == 2 and "a_simple.png: expected an indexed (palette) PNG, found mode L" in result.stderr
    assert "Traceback" not in result.stderr and not (tmp_path / "scores").exists()


def test_summary(run_command, tmp_path):
    names = ["cam", "oa_cam", "label_initial", "label_pseudo", "pred1", "label_masked", "pred1_val", "pred2_val"]
    for value, name in enumerate(names):
        folder = tmp_path / "run" / "scores" / name
        folder.mkdir(parents=True)
        (folder / "scores.json").write_text(
            json.dumps({"mean_iou": 10.0 + value, "ignored": 1.5, "false_negative": 2.5})
        )
    result = run_command("report.tables.summary", "--run", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "17.00" in result.stdout.splitlines()[-1] and "round 2" in result.stdout.splitlines()[-1]
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == {
        "train": {"cam": 10, "oa_cam": 11, "label_initial": 12, "label_pseudo": 13, "pred1": 14, "label_masked": 15},
        "val": {"round1": 16, "round2": 17},
    }
    result = run_command("report.tables.summary", "--run", tmp_path / "nothing")
    assert result.returncode == 2 and "nothing/scores: expected folders with scores.json" in result.stderr
