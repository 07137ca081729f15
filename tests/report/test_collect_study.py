"""report.collect and report.study: JSON lines of runs, and of them means, paired differences, intervals and signs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from report.study import agreement, interval, read_lines, report, signed, spread

ROOT = Path(__file__).resolve().parents[2]


def made_by(folder):
    return {"versions": {"commit": f"of {folder}", "torch": "2"}, "machine": "M"}


def put_run(run, seed, scores, rows):
    """A run as report.tables.table and seg.evaluate leave it: {folder: mIoU}, and a table of (row, paper, folder)."""
    (run / "cls").mkdir(parents=True)
    (run / "cls" / "stage.json").write_text(json.dumps({"arguments": {"seed": seed}}))
    for folder, value in scores.items():
        score = {"mean_iou": value, "ignored": 1.0, "false_negative": 2.0, "pixel_accuracy": 3.0}
        path = run / "scores" / folder
        path.mkdir(parents=True)
        (run / folder).mkdir()
        (run / folder / "stage.json").write_text(json.dumps(made_by(folder)))
        (path / "scores.json").write_text(json.dumps(score | {"simple": score, "complex": score}))
    (run / "table3.json").write_text(json.dumps([dict(zip(("row", "paper", "folder"), row)) for row in rows]))


@pytest.fixture
def results(run_command, tmp_path):
    rows = [("baseline", "67.7", "a"), ("+ GR", "68.8", "b"), ("+ GR + retrain", "68.7", "c")]
    runs = [tmp_path / "ablation" / f"seed{seed}" for seed in (1, 2, 3)]
    for seed, run in enumerate(runs, 1):
        put_run(run, seed, {"a": 50 + seed, "b": 52 + 2 * seed, "c": 53 + seed, "cam": 40.0}, rows)
    out = tmp_path / "ablation" / "results.jsonl"
    result = run_command("report.collect", "--runs", *runs, "--tables", "table3", "fig6", "--out", out)
    assert result.returncode == 0, result.stderr
    return out


def test_one_line_for_each_row_and_run(results):
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert len(lines) == 3 * (3 + 1)  # the label set that has scores is a row too
    assert lines[5] == {
        **{"setting": "ablation", "table": "table3", "row": "+ GR", "paper": 68.8, "seed": 2, "commit": "of b"},
        **{"torch": "2", "mean_iou": 56, "ignored": 1.0, "false_negative": 2.0, "machine": "M"},
        **{kind: {"mean_iou": 56, "ignored": 1.0, "false_negative": 2.0} for kind in ("simple", "complex")},
    }
    assert {line["row"] for line in lines if line["table"] == "labels"} == {"CAM"}


def test_the_setting_is_an_argument(run_command, results, tmp_path):
    """Runs elsewhere than in a folder `ablation` make the paper's tables, too."""
    runs, out = sorted(results.parent.glob("seed*")), tmp_path / "named.jsonl"
    (tmp_path / "ablation").rename(tmp_path / "other")
    runs = [tmp_path / "other" / run.name for run in runs]
    for setting, status in (((), 2), (("--setting", "ablation"), 0)):
        result = run_command("report.collect", "--runs", *runs, "--tables", "table3", "--out", out, *setting)
        assert result.returncode == 0, result.stderr
        result = run_command("report.study", "--results", out, "--out", tmp_path / "RESULTS.md")
        assert result.returncode == status and (status == 0 or "--setting" in result.stderr)
    assert "| baseline | 67.7 | 52.0 ± 1.0 |" in (tmp_path / "RESULTS.md").read_text()


def test_labels_of_another_rule_are_rows(run_command, results, tmp_path):
    run = results.parent / "seed1"
    for name in ("label_otsu", "label_masked_kernel5"):
        shutil.copytree(run / "scores" / "cam", run / "scores" / name)
        shutil.copytree(run / "cam", run / name)
    result = run_command("report.collect", "--runs", run, "--tables", "table3", "--out", tmp_path / "r.jsonl")
    assert result.returncode == 0, result.stderr
    lines = read_lines([tmp_path / "r.jsonl"])
    assert [line["row"] for line in lines if line["table"] == "labels"] == ["CAM", "label_otsu"]
    assert "| label_otsu | 40.0 | 40.0 | 1.0 |" in report(lines, "")


def test_the_table_pairs_the_seeds(run_command, results, tmp_path):
    out = tmp_path / "RESULTS.md"
    result = run_command("report.study", "--results", results, "--out", out)
    assert result.returncode == 0, result.stderr
    text = out.read_text()
    assert "| baseline | 67.7 | 52.0 ± 1.0 |  |  |  |" in text
    assert "| + GR | 68.8 | 56.0 ± 2.0 | +1.1 | +4.00 ± 2.48 (3/3) | yes |" in text  # 3, 4, 5: sd 1, t = 4.303
    assert "| + GR + retrain | 68.7 | 55.0 ± 1.0 | -0.1 | -1.00 ± 2.48 (0/3) | yes, but the interval holds 0 |" in text
    assert "| CAM | 40.0 ± 0.0 | 40.0 ± 0.0 | 1.0 ± 0.0 |" in text
    assert out.read_bytes() == report(read_lines([results]), "ablation/").encode()


def test_a_study_has_a_row_for_each_setting(results):
    lines = read_lines([results])
    whole = [line | {"row": "+ GR + POM + NSRM"} for line in lines if line["row"] == "+ GR"]
    other = [line | {"setting": "faint"} for line in [*lines, *whole] if line["seed"] < 3]
    text = report([*lines, *whole, *other], "")
    section = text[text.index("## Where each component helps") :]
    assert "| as in the tables above | 1 2 3 | 52.0 ± 1.0 | 56.0 ± 2.0 | +4.00 ± 2.48 (3/3) | – | – |" in section
    assert "| the same, these seeds | 1 2 | 51.5 ± 0.7 | 55.0 ± 1.4 | +3.50 ± 6.35 (2/2) | – | – |" in section
    assert "| faint | 1 2 | 51.5 ± 0.7 | 55.0 ± 1.4 | +3.50 ± 6.35 (2/2) | – | – |" in section
    assert "| faint |" not in report([*lines, *whole], "")


def test_statistics():
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    mean, half = interval(values)
    assert mean == 3 and half == pytest.approx(2.7764451 * np.sqrt(2.5 / 5))
    assert spread(values) == "3.0 ± 1.6" and spread(values[:1]) == "1.0"
    assert signed(values) == "+3.00 ± 1.96 (5/5)" and signed(-values[:1]) == "-1.00 (0/1)" and signed(values[:0]) == "–"
    assert agreement(values, 0.3) == "yes" and agreement(values, -0.3) == "no" and agreement(values, None) == "–"
    assert agreement(values - 2.5, 1.0) == "yes, but the interval holds 0"


@pytest.mark.parametrize(
    "content, expected", [("{}\n", "expected JSON lines"), ("no\n", "expected JSON lines"), ("", "ablation")]
)
def test_other_files_are_refused(run_command, tmp_path, content, expected):
    (tmp_path / "r.jsonl").write_text(content)
    result = run_command("report.study", "--results", tmp_path / "r.jsonl", "--out", tmp_path / "R.md")
    assert result.returncode == 2 and expected in result.stderr and not (tmp_path / "R.md").exists()
    result = run_command("report.collect", "--runs", tmp_path, "--tables", "table3", "--out", tmp_path / "o.jsonl")
    assert result.returncode == 2 and "expected scores of seg.evaluate" in result.stderr


def test_the_results_in_the_repository_come_from_the_lines_in_it():
    sources = sorted((ROOT / "docs").glob("*.jsonl"))
    assert sources and (ROOT / "docs" / "results.md").read_text() == report(read_lines(sources), "")
