"""seg.collect and seg.report: JSON lines from runs, and from them means, paired differences, intervals and signs."""

import json
from pathlib import Path

import numpy as np
import pytest

from seg.report import agreement, interval, read_lines, report, signed, spread

ROOT = Path(__file__).resolve().parents[2]


def made_by(folder):
    return {"versions": {"commit": f"of {folder}", "torch": "2"}, "machine": "M"}


def put_run(run, seed, scores, rows):
    """A run as seg.table and seg.evaluate leave it: {folder: mIoU}, and a table of (row, paper, folder)."""
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
    result = run_command("seg.collect", "--runs", *runs, "--tables", "table3", "fig6", "--out", out)
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


def test_the_table_pairs_the_seeds(run_command, results, tmp_path):
    out = tmp_path / "RESULTS.md"
    result = run_command("seg.report", "--results", results, "--out", out)
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
    result = run_command("seg.report", "--results", tmp_path / "r.jsonl", "--out", tmp_path / "R.md")
    assert result.returncode == 2 and expected in result.stderr and not (tmp_path / "R.md").exists()
    result = run_command("seg.collect", "--runs", tmp_path, "--tables", "table3", "--out", tmp_path / "o.jsonl")
    assert result.returncode == 2 and "expected scores of seg.evaluate" in result.stderr


def test_the_results_in_the_repository_come_from_the_lines_in_it():
    sources = sorted((ROOT / "docs").glob("*.jsonl"))
    assert sources and (ROOT / "RESULTS.md").read_text() == report(read_lines(sources), "docs/")
