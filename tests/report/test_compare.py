"""report.compare: what it finds different in two runs' records and scores, which images moved, and the page."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.images import read_indexed, write_indexed
from report import compare
from report.compare_page import BETTER, WORSE, changed
from report.comparison import Move, Moves, last_prediction
from report.comparison import compare as compared
from report.differences import UNKNOWN, merged
from report.reading import read_stages
from seg import evaluate

VERSIONS = {"python": "3.11.7", "torch": "2.15.0", "commit": "0123456789abcdef" + "0" * 24}
DATA = {"sha256": "d" * 64, "seen": ""}


def record(run, folder, command="cls.train", inputs=None, **arguments):
    """Write the record of a finished stage, as stages.record does; `inputs` are {argument: (path, content)}."""
    inputs = {"data": ("data/tiny", DATA["sha256"])} | (inputs or {})
    found = {
        "command": command,
        "arguments": arguments | {name: path for name, (path, _) in inputs.items()},
        "inputs": {name: {"sha256": content, "seen": ""} for name, (_, content) in inputs.items()},
        "versions": VERSIONS,
        "call": f"python -m {command} --out runs/{run.name}/{folder}",
        "started": "2026-01-01 10:00:00",
        "finished": "2026-01-01 10:00:09",
        "machine": "M",
    }
    (run / folder).mkdir(parents=True, exist_ok=True)
    (run / folder / "stage.json").write_text(json.dumps(found))


def change(run, folder, **parts):
    """Update parts of a record, {part: {key: value, None to leave it out}}."""
    path = run / folder / "stage.json"
    found = json.loads(path.read_text())
    for part, values in parts.items():
        found[part] |= {name: value for name, value in values.items() if value is not None}
        for name in (name for name, value in values.items() if value is None):
            del found[part][name]
    path.write_text(json.dumps(found))


def score(run, data, folder, *more, split="train"):
    """Score <run>/<folder> as seg.evaluate does, with a record."""
    out = run / "scores" / folder
    out.mkdir(parents=True, exist_ok=True)
    places = ["--data", data, "--split", split, "--pred", run / folder, "--out", out]
    evaluate.run(evaluate.parser().parse_args([*map(str, places), "--workers", "1", *more]))
    record(run, f"scores/{folder}", "seg.evaluate", split=split)
    change(run, f"scores/{folder}", arguments={"data": str(data)})


@pytest.fixture
def runs(tiny_data, tmp_path, capsys):
    """Two runs with a classifier, a CAM, labels and predictions. B's CAM is fainter. The predictions are the truth, but
    that of c_complex in A and that of d_complex in B are all background."""
    found = []
    for name, empty in (("a", "c_complex"), ("b", "d_complex")):
        run = tmp_path / "runs" / name
        for folder in ("pred2", "label_initial", "cam"):
            (run / folder).mkdir(parents=True)
        for path in (tiny_data / "SegmentationClass").iterdir():
            truth = read_indexed(path)
            write_indexed(run / "label_initial" / path.name, truth % 255)
            write_indexed(run / "pred2" / path.name, np.zeros_like(truth) if path.stem == empty else truth % 255)
        for path in (tiny_data / "SegmentationClass").iterdir():
            for value in range(1, 4):
                level = 200 if name == "a" else 130
                grey = np.where(read_indexed(path) == value, level, 20).astype(np.uint8)
                grey[0, 0] = 255
                Image.fromarray(grey).save(run / "cam" / f"{path.stem}_{value - 1}.png")
        record(run, "cls", seed=0, lr=0.1, channels=[8, 16])
        record(run, "cam", "cls.infer", inputs={"weights": (f"runs/{name}/cls/weights.pth", "c" * 64)})
        score(run, tiny_data, "cam", "--map-thresholds", "0.6" if name == "a" else "0.3", "--threshold", "0.9")
        score(run, tiny_data, "label_initial")
        score(run, tiny_data, "pred2")
        found.append(run)
    capsys.readouterr()
    return found


def comparison(runs):
    return compared(*runs, tuple(map(read_stages, runs)))


def printed(capsys, *args):
    compare.main(compare.parser().parse_args([*map(str, args)]))
    return capsys.readouterr().out


def differences(runs):
    return [tuple(each) for each in comparison(runs).differences]


def test_own_folders_are_no_difference(runs):
    assert differences(runs) == []
    text = compare.text_of(comparison(runs), 12)
    assert "Nothing: the records have the same stages, arguments and inputs." in text


def test_a_moved_run_and_a_run_named_from_elsewhere_are_no_difference(runs, tmp_path, monkeypatch):
    runs[1].rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    assert differences([Path("runs/a"), Path("moved")]) == []


def test_arguments_inputs_and_versions_that_differ(runs):
    a, b = runs
    change(b, "cls", arguments={"seed": 3, "channels": [8, 32], "lr": None})
    change(b, "cam", inputs={"weights": {"sha256": "e" * 64}}, versions={"commit": "f" * 40 + "-dirty"})
    change(b, "cls", inputs={"data": {"sha256": "9" * 64}}, arguments={"data": "data/other"})
    change(b, "cls", versions={"commit": "f" * 40 + "-dirty"})
    commits = ("0123456789ab", "f" * 12 + "-dirty")
    assert differences(runs) == [
        ("argument", "channels", "8 16", "8 32", ["cls"]),
        ("argument", "lr", "0.1", UNKNOWN, ["cls"]),
        ("argument", "seed", "0", "3", ["cls"]),
        ("input", "data", "data/tiny (dddddddd)", "data/other (99999999)", ["cls"]),
        ("made in the run", "weights", "$RUN/cls/weights.pth", "$RUN/cls/weights.pth", ["cam"]),
        ("version", "commit", *commits, ["cam", "cls"]),
    ]
    text = compare.text_of(comparison(runs), 12)
    assert "Made in the runs, with other content: $RUN/cls/weights.pth." in text


def test_a_version_that_differs_everywhere_is_one_line(runs, capsys):
    for path in runs[1].rglob("stage.json"):
        change(runs[1], path.parent.relative_to(runs[1]), versions={"torch": "2.16.0"})
    assert "| all    | torch   | 2.15.0 | 2.16.0 |" in printed(capsys, *runs)


def test_stages_that_only_one_run_has(runs, capsys):
    shutil.rmtree(runs[1] / "scores/cam")
    record(runs[1], "iam")
    text = printed(capsys, *runs)
    assert "Only A has: scores/cam." in text and "Only B has: iam." in text
    line = next(line for line in text.splitlines() if "CAM, best threshold on this ground truth" in line)
    assert "only in one run" in line


def test_merged_lists_keep_both_orders():
    assert merged(["cls", "cam", "seg"], ["cls", "iam", "oa", "seg", "end"]) == "cls iam oa cam seg end".split()
    assert merged([], ["a"]) == ["a"] and merged(["b"], ["a", "b"]) == ["a", "b"]


def row(found, folder, cut=""):
    return next(row for row in found.rows if (row.pair.folder, row.cut) == (folder, cut))


def test_scores_and_their_differences(runs):
    found = comparison(runs)
    last = row(found, "pred2")
    scores = [json.loads((run / "scores/pred2/scores.json").read_text()) for run in runs]
    for kind in ("", "simple", "complex"):
        a, b = ((each[kind] if kind else each)["mean_iou"] for each in scores)
        assert last.values(kind, "mean_iou") == (a, b, pytest.approx(b - a))
    a, b = (each["class_iou"]["bar"] for each in scores)
    assert b < a and last.values("class_iou", "bar") == (a, b, pytest.approx(b - a))
    assert row(found, "label_initial").values("mean_iou")[2] == 0


def test_the_two_thresholds_of_maps_stand_apart(runs):
    found = comparison(runs)
    assert row(found, "cam", "best").title == "CAM, best threshold on this ground truth (0.6 / 0.3)"
    fixed = row(found, "cam", "fixed")
    assert fixed.title == "CAM, fixed threshold (0.9)"
    scores = json.loads((runs[0] / "scores/cam/scores.json").read_text())
    assert fixed.values("mean_iou")[0] == scores["fixed"]["mean_iou"] != scores["mean_iou"]


@pytest.mark.parametrize("damage", ["content", "split"])
def test_scores_of_other_images_are_not_subtracted(runs, capsys, damage):
    change(
        runs[1],
        "scores/pred2",
        **{"inputs": {"data": {"sha256": "9" * 64}}} if damage == "content" else {"arguments": {"split": "val"}},
    )
    assert row(comparison(runs), "pred2").values("mean_iou")[2] is None
    text = printed(capsys, *runs)
    line = next(line for line in text.splitlines() if line.startswith("| prediction, round") or "| pred2" in line)
    assert "not the same images" in line
    assert "Not the same images: another split, or a data set of another content." in text
    assert "c_complex" not in text.split("### Gains")[-1]


def test_the_images_that_moved_most(runs, capsys):
    shown = comparison(runs).shown
    assert shown.pair.folder == "pred2" and (shown.gained, shown.lost) == (1, 1)
    gains, losses = shown.largest(6)
    assert [move.id for move in gains + losses] == ["c_complex", "d_complex"]
    lines = [json.loads(line) for line in (runs[0] / "scores/pred2/images.jsonl").read_text().splitlines()]
    before = next(line["mean_iou"] for line in lines if line["id"] == "c_complex")
    assert gains[0].a == before and gains[0].gain == pytest.approx(gains[0].b - before)
    gain, loss = printed(capsys, *runs).split("### Gains")[1].split("### Losses")
    assert "c_complex" in gain and "d_complex" in loss


def test_the_largest_are_the_ends_and_ties_stand_in_order():
    moves = Moves(None, [Move(id, 50, 50 + gain) for id, gain in zip("abcdef", (1, 5, -2, 5, -9, 0))])
    assert ["".join(move.id for move in end) for end in moves.largest(2)] == ["bd", "ec"]
    assert ["".join(move.id for move in end) for end in moves.largest(9)] == ["bda", "ec"]


def test_the_last_prediction_is_the_methods_last(runs):
    found = comparison(runs).moves
    assert [moves.pair.folder for moves in found] == ["cam", "label_initial", "pred2"]
    assert last_prediction(found[:2]).pair.folder == "label_initial"
    assert last_prediction(found[:1]).pair.folder == "cam" and last_prediction([]) is None


def test_runs_without_scores_of_single_images(runs, capsys):
    for run in runs:
        for path in run.rglob("images.jsonl"):
            path.unlink()
    assert "No stage has scores of the same single images" in printed(capsys, *runs)
    shutil.rmtree(runs[0] / "scores")
    shutil.rmtree(runs[1] / "scores")
    assert "Neither run has scores" in printed(capsys, *runs)


def test_where_only_one_is_right():
    truth = np.array([[0, 1, 2, 255, 1]], np.uint8)
    a, b = np.array([[0, 0, 2, 0, 2]], np.uint8), np.array([[0, 1, 1, 1, 0]], np.uint8)
    assert changed(truth, a, b).tolist() == [[0, BETTER, WORSE, 0, 0]]


def test_the_page(runs, tiny_data, tmp_path, capsys):
    text = printed(capsys, *runs, "--out", tmp_path / "page")
    assert f"{tmp_path / 'page/index.html'}: pictures of 2 images" in text
    page = (tmp_path / "page/index.html").read_text()
    for id in ("c_complex", "d_complex"):
        for name in (".jpg", "_a.png", "_b.png", "_changed.png", "_truth.png"):
            assert f'src="images/{id}{name}"' in page and (tmp_path / "page/images" / f"{id}{name}").exists()
    for name in ("report.css", "compare.js"):
        assert f'"files/{name}"' in page and (tmp_path / "page/files" / name).exists()
    assert "http" not in page and "disc" in page
    with Image.open(tmp_path / "page/images/c_complex_a.png") as image:  # A calls all of it background
        assert not np.asarray(image.convert("RGBA"))[..., 3].any()
    scores = json.loads((tmp_path / "page/compare.json").read_text())
    last = next(each for each in scores["scores"] if each["folder"] == "pred2")
    assert last["all"]["mean_iou"] == list(row(comparison(runs), "pred2").values("mean_iou"))
    assert scores["moves"][-1]["images"]["c_complex"][2] > 0
    printed(capsys, *runs, "--out", tmp_path / "page", "--count", "2")  # replaces the first


def test_without_the_data_set_the_page_has_no_pictures(runs, tiny_data, tmp_path, capsys):
    tiny_data.rename(tmp_path / "elsewhere")
    text = printed(capsys, *runs, "--out", tmp_path / "page")
    assert "pictures of 0 images; a data set with them is not there: --data names it" in text
    assert "No picture" in (tmp_path / "page/index.html").read_text()
    printed(capsys, *runs, "--out", tmp_path / "page", "--data", tmp_path / "elsewhere")
    assert "No picture" not in (tmp_path / "page/index.html").read_text()


def test_names_are_escaped(runs, tmp_path, capsys):
    for run in runs:
        path = run / "scores/pred2/scores.json"
        path.write_text(path.read_text().replace('"bar"', '"<b>|\\u001b[2J\\ud800"'))
    change(runs[0], "cls", arguments={"seed": "<script>alert(1)</script>"})
    text = printed(capsys, *runs, "--out", tmp_path / "page")
    page = (tmp_path / "page/index.html").read_text()
    assert "\x1b" not in text and "<b>\\|" in text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page and "<b>" not in page
