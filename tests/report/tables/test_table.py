"""report.tables.table: the paper's numbers beside the run's, a dash where there is none."""

import json

import numpy as np
import pytest
from PIL import Image

from report.tables.published import PUBLISHED
from report.tables.table import in_their_places, main, parser
from stages.files import InputError


def put_score(run, folder, value):
    path = run / folder
    path.mkdir(parents=True)
    (path / "scores.json").write_text(json.dumps({"mean_iou": value}))


def test_rows(run_command, tmp_path):
    put_score(tmp_path, "scores/pred1_val", 61.26)
    put_score(tmp_path, "no_glore/scores/pred1_val", 59.0)
    rows = ["--row", "a", "67.7", "no_glore/pred1_val", "--row", "b", "68.8", "pred1_val"]
    rows += ["--row", "c", "", "pred9_val"]
    result = run_command(
        "report.tables.table", "--run", tmp_path, "--name", "table3", "--title", "Table 3", *rows, "--note", "A note."
    )
    assert result.returncode == 0, result.stderr
    text = (tmp_path / "table3.md").read_text()
    assert text.strip() == result.stdout.strip()
    assert json.loads((tmp_path / "table3.json").read_text())[2] == {"row": "c", "paper": "", "folder": "pred9_val"}
    assert text.splitlines()[4:] == ["| a | 67.7 | 59.0 |", "| b | 68.8 | 61.3 |", "| c | – | – |", "", "A note."]


def test_ap_stands_in_its_place(tmp_path):
    scores = {"x/scores/instances": {"0.5": 40, "0.25": 61.24}, "y/scores/instances": {"0.5": 80.06, "0.75": 7.0}}
    for folder, ap in scores.items():
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "scores.json").write_text(json.dumps({"mean_ap": ap}))
    words = ["--run", str(tmp_path), "--name", "instances", "--title", "Toy", "--ap"]
    words += [word for name in "xzy" for word in ("--row", f"of {name}", "", f"{name}/instances")]
    main(parser().parse_args(words))
    expected = ["|  | IoU 0.25 | IoU 0.5 | IoU 0.75 |", "| --- | --- | --- | --- |", "| of x | 61.2 | 40.0 | – |"]
    expected += ["| of z | – | – | – |", "| of y | – | 80.1 | 7.0 |"]
    assert (tmp_path / "instances.md").read_text().splitlines() == ["**Toy** (AP, %)", "", *expected]
    for content in ([], {"mean_iou": 5.0}, {"mean_ap": {"0.5": "high"}}, {"mean_ap": {"mean": 5.0}}):
        (tmp_path / "x/scores/instances/scores.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match="scores.json: expected the scores of evaluate.instances"):
            main(parser().parse_args(words))


def test_plot(run_command, tmp_path):
    for size, value in ((2, 60.0), (30, 64.0)):
        put_score(tmp_path, f"scores/pred2_k{size}_val", value)
    rows = [word for size in (2, 5, 30) for word in ("--row", size, "", f"pred2_k{size}_val")]
    result = run_command(
        "report.tables.table", "--run", tmp_path, "--name", "fig6", "--title", "Figure 6", *rows, "--plot", "r"
    )
    assert result.returncode == 0, result.stderr
    assert np.asarray(Image.open(tmp_path / "fig6.png")).std() > 0


def test_ours_stand_among_the_published_rows():
    rows = [("ours*, val", "70.4", 61.26), ("another", "66.1", 62.0), ("ours, val", "68.3", None)]
    body = in_their_places(PUBLISHED["table2"], rows)
    assert len(body) == 22 and body[0] == ["DCSP", "BMVC17", "60.8", "61.9", "–", "no"]
    assert body[17] == ["Ours", "–", "68.3", "68.5", "–", "no"]  # not run here, but quoted
    assert body[18:] == [
        ["OAA*", "ICCV19", "67.4", "–", "–", "no"],
        ["SEAM*", "CVPR20", "63.2", "–", "–", "no"],
        ["Ours*", "–", "70.4", "70.2", "61.3", "yes"],
        ["another", "–", "66.1", "–", "62.0", "yes"],
    ]
    assert sum(row[-1] == "yes" for row in body) == 2


@pytest.mark.parametrize(
    "table, ours, differences",
    [
        ("table1", 65.5, {"STC": 15.7, "WebS-i2": 12.1, "Hong et al.": 7.4, "ICD": 1.5}),
        ("table2", 68.3, {"DSRG": 6.9, "CONTA": 2.2, "ICD": 0.5}),
    ],
)
def test_published_numbers_are_those_of_the_papers_text(table, ours, differences):
    """Section 4.3 says by how many points the paper's method is better on val."""
    methods = PUBLISHED[table]
    val = {method.name: float(method.val) for method in methods}
    assert len(val) == len(methods) == {"table1": 24, "table2": 21}[table]
    assert val["Ours"] == ours
    assert {name: round(ours - val[name], 1) for name in differences} == differences
    assert all(abs(float(method.test) - float(method.val)) < 2.2 for method in methods if method.test)
