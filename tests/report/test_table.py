"""report.table: the paper's numbers beside the run's, a dash where there is none."""

import json

import numpy as np
from PIL import Image


def put_score(run, folder, value):
    path = run / folder
    path.mkdir(parents=True)
    (path / "scores.json").write_text(json.dumps({"mean_iou": value}))


def test_rows(run_command, tmp_path):
    put_score(tmp_path, "scores/pred1_val", 61.26)
    put_score(tmp_path, "no_glore/scores/pred1_val", 59.0)
    rows = (
        "--row",
        "a",
        "67.7",
        "no_glore/pred1_val",
        "--row",
        "b",
        "68.8",
        "pred1_val",
        "--row",
        "c",
        "",
        "pred9_val",
    )
    result = run_command(
        "report.table", "--run", tmp_path, "--name", "table3", "--title", "Table 3", *rows, "--note", "A note."
    )
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "table3.md").read_text()
    assert text.strip() == result.stdout.strip()
    assert json.loads((tmp_path / "table3.json").read_text())[2] == {"row": "c", "paper": "", "folder": "pred9_val"}
    assert text.splitlines()[4:] == ["| a | 67.7 | 59.0 |", "| b | 68.8 | 61.3 |", "| c | – | – |", "", "A note."]


def test_plot(run_command, tmp_path):
    for size, value in ((2, 60.0), (30, 64.0)):
        put_score(tmp_path, f"scores/pred2_k{size}_val", value)
    rows = [word for size in (2, 5, 30) for word in ("--row", size, "", f"pred2_k{size}_val")]
    result = run_command(
        "report.table", "--run", tmp_path, "--name", "fig6", "--title", "Figure 6", *rows, "--plot", "r"
    )
    assert result.returncode == 0, result.stderr
    assert np.asarray(Image.open(tmp_path / "fig6.png")).std() > 0
