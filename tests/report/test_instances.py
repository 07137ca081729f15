"""report.instances: the AP of each folder in its place."""

import json

import pytest

from report.instances import ap_of, main, parser
from stages.files import InputError


def put_scores(run, folder, content):
    path = run / folder
    (path.parent / "scores" / path.name).mkdir(parents=True)
    (path.parent / "scores" / path.name / "scores.json").write_text(json.dumps(content))


@pytest.fixture
def table(tmp_path, capsys):
    """`table(*more)` makes the table of three rows, of which the second was not run: its lines, as printed."""
    put_scores(tmp_path, "image_level/instances", {"mean_ap": {"0.25": 61.24, "0.5": 40}, "class_ap": {}})
    put_scores(tmp_path, "truth/image_level/instances", {"mean_ap": {"0.5": 80.06, "0.75": 7.0}, "class_ap": {}})
    rows = [word for name in ("image_level", "fbr/image_level", "truth/image_level")
            for word in ("--row", f"of {name}", f"{name}/instances")]  # fmt: skip

    def run(*more):
        main(parser().parse_args(["--run", str(tmp_path), "--name", "instances", "--title", "Toy", *rows, *more]))
        text = capsys.readouterr().out
        assert text == (tmp_path / "instances.md").read_text() + "\n"
        return text.splitlines()

    return run


def test_a_column_for_each_iou_and_a_dash_where_nothing_was_run(table):
    assert table() == [
        "**Toy** (AP, %)",
        "",
        "|  | IoU 0.25 | IoU 0.5 | IoU 0.75 |",
        "| --- | --- | --- | --- |",
        "| of image_level | 61.2 | 40.0 | – |",
        "| of fbr/image_level | – | – | – |",
        "| of truth/image_level | – | 80.1 | 7.0 |",
        "",
    ]


def test_a_note_stands_below(table):
    assert table("--note", "On train.")[-2:] == ["On train.", ""]


@pytest.mark.parametrize(
    "content", [[], {"mean_iou": 5.0}, {"mean_ap": {}}, {"mean_ap": {"0.5": None}}, {"mean_ap": {"mean": 5.0}}]
)
def test_scores_of_another_kind_are_refused(tmp_path, content):
    put_scores(tmp_path, "pred2_val", content)
    with pytest.raises(InputError, match="scores.json: expected the scores of seg.evaluate_instances"):
        ap_of(tmp_path, "pred2_val")


def test_a_run_without_scores_is_refused(tmp_path):
    arguments = ["--run", str(tmp_path), "--name", "instances", "--title", "T", "--row", "a", "instances"]
    with pytest.raises(InputError, match="expected scores of seg.evaluate_instances of one of the rows"):
        main(parser().parse_args(arguments))
    assert not (tmp_path / "instances.md").exists()
