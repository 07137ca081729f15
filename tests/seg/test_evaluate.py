"""seg.evaluate and report.summary as commands."""

import json

import numpy as np

from common.images import read_indexed, write_grey, write_indexed
from seg.evaluate import label_from_maps


def evaluate(run_command, data, pred, out, *more):
    return run_command(
        "seg.evaluate", "--data", data, "--split", "train", "--pred", pred, "--out", out, "--workers", 1, *more
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


def test_maps_are_scored_at_their_best_threshold(run_command, tiny_data, tmp_path):
    (tmp_path / "cam").mkdir()
    for line in (tiny_data / "lists" / "train.txt").read_text().splitlines():
        id, *classes = line.split()
        truth = read_indexed(tiny_data / "SegmentationClass" / f"{id}.png")
        for cls in classes:
            map_ = np.where(truth == int(cls) + 1, 255, 100).astype(np.uint8)
            map_[0, 0] = 0
            write_grey(tmp_path / "cam" / f"{id}_{cls}.png", map_)
    result = evaluate(run_command, tiny_data, tmp_path / "cam", tmp_path / "scores", "--map-thresholds", 0.2, 0.6)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert report["threshold"] == 0.6 and report["mean_iou"] == 100


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
    result = run_command("report.summary", "--run", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "17.00" in result.stdout.splitlines()[-1] and "round 2" in result.stdout.splitlines()[-1]
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == {
        "train": {"cam": 10, "oa_cam": 11, "label_initial": 12, "label_pseudo": 13, "pred1": 14, "label_masked": 15},
        "val": {"round1": 16, "round2": 17},
    }
    result = run_command("report.summary", "--run", tmp_path / "nothing")
    assert result.returncode == 2 and "nothing/scores: expected folders with scores.json" in result.stderr
