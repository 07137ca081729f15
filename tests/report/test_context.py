"""report.context as a command, against a plain version on lists of all pixels."""

import json

import numpy as np
import pytest

from common.dataset import DataSet
from common.images import read_grey, read_indexed, write_grey, write_indexed

STEPS = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]


@pytest.fixture
def maps(tiny_data, tmp_path):
    """A folder of noisy maps of the images' size, each from 0 to 255, brighter on objects; context in the data set."""
    (tmp_path / "cam").mkdir()
    (tiny_data / "context").mkdir()
    rng = np.random.default_rng(1)
    for item in DataSet(tiny_data).split("train"):
        truth = read_indexed(tiny_data / "SegmentationClass" / f"{item.id}.png")
        context = rng.integers(0, 4, truth.shape, dtype=np.uint8)  # classes that the image has, and others
        write_indexed(tiny_data / "context" / f"{item.id}.png", context)  # on objects too, where it does not count
        for cls in item.classes:
            map_ = rng.integers(0, 160, truth.shape) + 60 * (truth == cls + 1) + 20 * (context == cls + 1)
            map_[0, :2] = 0, 255
            write_grey(tmp_path / "cam" / f"{item.id}_{cls}.png", map_.clip(0, 255).astype(np.uint8))
    return tmp_path / "cam"


@pytest.fixture
def measure(run_command, tiny_data, maps, tmp_path):
    """`measure(*more)`: the scores of the folder of maps, and the command's output."""

    def measure(*more):
        common = ("--data", tiny_data, "--split", "train", "--maps", maps, "--out", tmp_path / "out", "--workers", 1)
        result = run_command("report.context", *common, *more)
        assert result.returncode == 0, result.stderr
        return json.loads((tmp_path / "out" / "scores.json").read_text()), result.stdout

    return measure


def pixels(data, maps):
    """Of all pixels that are not 255: truth, class of the strongest map + 1, its strength, whether own context."""
    found = []
    for item in DataSet(data).split("train"):
        truth = read_indexed(data / "SegmentationClass" / f"{item.id}.png")
        context = read_indexed(data / "context" / f"{item.id}.png")
        levels = {cls: read_grey(maps / f"{item.id}_{cls}.png") for cls in item.classes}
        for place in zip(*np.nonzero(truth != 255)):
            strongest = max(item.classes, key=lambda cls: levels[cls][place])  # the first one of equals
            own = truth[place] == 0 and int(context[place]) - 1 in item.classes
            found.append((truth[place], strongest + 1, levels[strongest][place] / 255, own))
    return (np.array(column) for column in zip(*found))


def mean_iou(truth, prediction):
    both = [((truth == c) & (prediction == c)).sum() / ((truth == c) | (prediction == c)).sum() for c in range(4)]
    return 100 * np.mean(both)


def test_scores_are_those_of_all_pixels(measure, tiny_data, maps):
    report, printed = measure()
    truth, strongest, score, own = pixels(tiny_data, maps)
    objects, context = score[truth > 0], score[own]
    for threshold, row in zip(STEPS, report["thresholds"], strict=True):
        assert row == {
            "threshold": threshold,
            "mean_iou": pytest.approx(mean_iou(truth, np.where(score > threshold, strongest, 0)), abs=0.006),
            "objects_found": pytest.approx(100 * (objects > threshold).mean(), abs=0.006),
            "context_called_object": pytest.approx(100 * (context > threshold).mean(), abs=0.006),
        }
    means = [row["mean_iou"] for row in report["thresholds"]]
    assert report["best"] == report["thresholds"][means.index(max(means))] and report["best"]["threshold"] > 0.05
    assert report["fixed"] == report["thresholds"][9] and report["fixed"]["threshold"] == 0.5
    assert report["images"] == 4
    assert report["pixels"] == {"all": len(truth), "object": len(objects), "own_context": len(context)}
    wins = (objects[:, None] > context).mean() + (objects[:, None] == context).mean() / 2
    assert 55 < report["auc"] == pytest.approx(100 * wins, abs=0.006)
    # no threshold finds exactly 60 %: between the last that finds fewer and the first that finds more
    bounds = [(100 * (context >= t).mean(), (objects >= t).mean()) for t in np.unique(score)]
    low, high = max(c for c, found in bounds if found <= 0.6), min(c for c, found in bounds if found >= 0.6)
    assert low < report["context_at_60"] < high < low + 2
    assert f"context at 60 % of the objects {report['context_at_60']} %, AUC {report['auc']} %" in printed


def test_mean_iou_is_that_of_evaluate(measure, run_command, tiny_data, maps, tmp_path):
    for path in maps.glob("*.png"):  # smaller maps of other ranges, to be resized and normalised
        write_grey(path, read_grey(path)[:24:3, ::3] // 2 + 9)
    report, _ = measure()
    common = ("--data", tiny_data, "--split", "train", "--pred", maps, "--out", tmp_path / "scores", "--workers", 1)
    run_command("seg.evaluate", *common, "--map-thresholds", *STEPS)
    expected = json.loads((tmp_path / "scores" / "scores.json").read_text())
    assert {name: report["best"][name] for name in ("threshold", "mean_iou")} == {
        name: expected[name] for name in ("threshold", "mean_iou")
    }
    assert report["best"]["objects_found"] == pytest.approx(100 - expected["false_negative"], abs=0.011)


def test_context_of_other_classes_does_not_count(measure, tiny_data, maps):
    for item in DataSet(tiny_data).split("train"):
        path = tiny_data / "context" / f"{item.id}.png"
        context = read_indexed(path)
        write_indexed(path, np.where(np.isin(context, [cls + 1 for cls in item.classes]), 0, context))
    report, printed = measure()
    assert report["pixels"]["own_context"] == 0 and report["pixels"]["object"] > 0
    assert report["context_at_60"] is report["auc"] is report["best"]["context_called_object"] is None
    assert "no context of the images' own classes" in printed


def test_without_context(measure, tiny_data):
    before, _ = measure()
    for path in (tiny_data / "context").iterdir():
        path.unlink()
    (tiny_data / "context").rmdir()
    report, _ = measure("--force")
    assert report["context_at_60"] is report["auc"] is report["fixed"]["context_called_object"] is None
    for name in ("mean_iou", "objects_found"):
        assert report["best"][name] == before["best"][name]


def test_bad_folders_are_named(run_command, tiny_data, maps, tmp_path):
    common = ("report.context", "--data", tiny_data, "--split", "train", "--out", tmp_path / "out", "--workers", 1)
    result = run_command(*common, "--maps", tmp_path / "nothing")
    assert result.returncode == 2 and len(result.stderr.strip().splitlines()) == 1
    (tmp_path / "empty").mkdir()
    result = run_command(*common, "--maps", tmp_path / "empty")
    assert result.returncode == 2 and "expected maps named <id>_<class>.png" in result.stderr
    (tiny_data / "context" / "b_simple.png").unlink()
    result = run_command(*common, "--maps", maps)
    assert result.returncode == 2 and "context/b_simple.png: no such file" in result.stderr
