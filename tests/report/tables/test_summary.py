"""report.tables.summary: the rows that a run has, those of further label rules among them."""

import json

import pytest

from report.tables.summary import further_labels

METHOD = ["cam", "oa_cam", "label_initial", "label_pseudo", "pred1", "label_masked", "pred1_val", "pred2_val"]


@pytest.fixture
def run(tmp_path):
    """A run whose scores are 1.5, 2.5, … in the method's order; a rule has 90, a variant of NSRM's labels 80."""
    values = {name: number + 0.5 for number, name in enumerate(METHOD, 1)}
    for name, value in (values | {"label_otsu": 90, "label_masked_kernel5": 80}).items():
        (tmp_path / "scores" / name).mkdir(parents=True)
        (tmp_path / name).mkdir()
        scores = {"mean_iou": value, "ignored": None, "false_negative": 2.0}
        (tmp_path / "scores" / name / "scores.json").write_text(json.dumps(scores))
    return tmp_path


def summary_of(run_command, run):
    """(summary.json, lines of the table)."""
    result = run_command("report.tables.summary", "--run", run)
    assert result.returncode == 0, result.stderr
    return json.loads((run / "summary.json").read_text()), result.stdout.splitlines()


def test_rows_of_the_method_and_of_a_further_rule(run_command, run):
    found, lines = summary_of(run_command, run)
    train = {"cam": 1.5, "oa_cam": 2.5, "label_initial": 3.5, "label_pseudo": 4.5, "pred1": 5.5, "label_masked": 6.5}
    assert found == {"train": train | {"label_otsu": 90}, "val": {"round1": 7.5, "round2": 8.5}}
    assert lines[3] == "train  initial label (BE)        3.50          –              2.00" and len(lines) == 10


def test_a_run_without_saliency_has_the_rows_of_irn(run_command, run):
    (run / "scores" / "label_otsu").rename(run / "away")
    for name in ("oa_cam", "label_initial", "label_pseudo", "pred1_val"):
        (run / "scores" / name).rename(run / f"no_{name}")
    for name, value in (("label_irn", 30), ("label_seed", 20), ("label_irn_wide", 70)):  # the last is a variant
        (run / "scores" / name).mkdir()
        scores = {"mean_iou": value, "ignored": 1, "false_negative": 2}
        (run / "scores" / name / "scores.json").write_text(json.dumps(scores))
    summary, lines = summary_of(run_command, run)
    found = [(line[:7].strip(), line[7:29].strip(), line[29:].split()[0]) for line in lines[1:]]
    assert found == [
        ("train", "CAM", "1.50"),
        ("train", "seed (IRN)", "20.00"),
        ("train", "label (IRN)", "30.00"),
        ("train", "prediction, round 1", "5.50"),
        ("train", "masked label (NSRM)", "6.50"),
        ("val", "prediction, round 2", "8.50"),
    ]
    train = {"cam": 1.5, "label_seed": 20, "label_irn": 30, "pred1": 5.5, "label_masked": 6.5}
    assert summary == {"train": train, "val": {"round2": 8.5}}


def test_maps_have_a_row_for_the_best_threshold_and_one_for_the_fixed_one(run_command, run):
    cut = {"mean_iou": 30.0, "ignored": 0.0, "false_negative": 2.0}
    best = cut | {"mean_iou": 40.0, "split": "train_half", "threshold": 0.6, "chosen": "best on this ground truth"}
    path = run / "scores" / "cam" / "scores.json"
    path.write_text(json.dumps(best | {"fixed": cut | {"threshold": 0.3}}))
    summary, (_, first, second, *_, last) = summary_of(run_command, run)
    assert first.startswith("train_half CAM, threshold 0.6 (best here)") and "40.00" in first
    assert second.startswith("train_half CAM, threshold 0.3 (fixed)") and "30.00" in second
    assert last.startswith("best here: ") and (summary["train"]["cam"], summary["train"]["cam_fixed"]) == (40, 30)
    path.write_text(json.dumps(cut | {"threshold": 0.3, "chosen": "fixed"}))
    assert "CAM, threshold 0.3 (fixed)" in run_command("report.tables.summary", "--run", run).stdout
    path.write_text(json.dumps(cut | {"threshold": 0.6, "fixed": [3]}))
    result = run_command("report.tables.summary", "--run", run)
    assert result.returncode == 2 and "cam/scores.json: expected the scores of evaluate.labels" in result.stderr


def test_the_folders_of_further_rules(run):
    (run / "label_notes.txt").touch()
    for name in ("label_pseudonym", "label_seed", "label_irn", "label_irn_wide"):  # the first is no variant
        (run / name).mkdir()
    assert further_labels(run) == ["label_otsu", "label_pseudonym"]
