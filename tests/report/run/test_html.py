"""report.run.html on a run: what its overview says, what smells, what it refuses, that nothing leads elsewhere."""

import json
import os
import shutil
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from common.images import read_indexed, write_grey, write_indexed
from report.run import html
from stages.files import InputError

COMMIT = "0123456789" * 4
SCORES = {"mean_iou": 50.0, "ignored": 1.0, "false_negative": 2.0}
IOU = {"background": 90.0, "disc": 40.0, "square": 30.0, "bar": 40.0}


@pytest.fixture
def run(tiny_data, tmp_path):
    """A run on the tiny data: cls, cam, label_initial, seg1, pred1_val, and scores of three of them."""
    run = tmp_path / "runs/small"
    lines = (tiny_data / "lists/train.txt").read_text().splitlines()
    for id, *classes in map(str.split, lines):
        for cls in classes:
            (run / "cam").mkdir(parents=True, exist_ok=True)
            write_grey(run / "cam" / f"{id}_{cls}.png", np.arange(64, dtype=np.uint8).reshape(8, 8))
        for name in ("label_initial", "pred1_val"):
            (run / name).mkdir(exist_ok=True)
            write_indexed(run / name / f"{id}.png", read_indexed(tiny_data / "SegmentationClass" / f"{id}.png") % 255)
    data = {"data": str(tiny_data), "split": "train"}
    put_stage(run / "cls", "cls.train", 0, data)
    put_stage(run / "cam", "cls.infer", 2, {**data, "weights": "runs/small/cls/weights.pth"})
    put_stage(run / "label_initial", "pseudo.background", 3, {**data, "oa_cam": "runs/small/cam"})
    put_stage(run / "seg1", "seg.train", 4, {**data, "labels": "runs/small/label_initial"})
    put_stage(run / "pred1_val", "seg.predict", 6, {**data, "split": "val", "weights": "runs/small/seg1/weights.pth"})
    maps = {"threshold": 0.6, "chosen": "best on this ground truth", "fixed": {"threshold": 0.3, "mean_iou": 33.33}}
    maps["fixed"] |= {"from": "--threshold", "ignored": 0.0, "false_negative": 0.0}
    maps["thresholds"] = [SCORES | {"threshold": share, "mean_iou": 100 * share} for share in (0.1, 0.3, 0.6)]
    put_scores(run, "cam", "train", maps)
    put_scores(run, "label_initial", "train", {})
    put_scores(run, "pred1_val", "val", {"mean_iou": 61.25})
    return run


def put_stage(folder, command, minute, arguments, finished=True, **more):
    """The record of a stage that began so many minutes after ten and took one."""
    paths = [name for name, value in arguments.items() if "/" in str(value)]
    record = {"command": command, "arguments": arguments | {"seed": 1}}
    record["inputs"] = {name: {"sha256": f"{arguments[name]}"} for name in paths}
    record |= {"versions": {"commit": COMMIT}, "call": f"python -m {command}", "processes": 1, "machine": "M, 2 cores"}
    record |= {"started": f"2026-01-01 10:{minute:02}:00", "summary": f"{command} is done"}
    record["finished"] = f"2026-01-01 10:{minute + 1:02}:00" if finished else None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stage.json").write_text(json.dumps(record | more))


def put_scores(run, name, split, more):
    kinds = {kind: {"images": 2, **SCORES, "mean_iou": value} for kind, value in (("simple", 70.0), ("complex", 30.0))}
    arguments = {"data": str(run.parents[1] / "tiny"), "split": split, "pred": f"runs/small/{name}"}
    put_stage(run / "scores" / name, "seg.evaluate", 10, arguments)
    content = {"images": 4, "split": split, **SCORES, "class_iou": IOU, **kinds, **more}
    (run / "scores" / name / "scores.json").write_text(json.dumps(content))
    image = {"id": "b_simple", "mean_iou": 50.0, "ignored": 0.0, "class_iou": {"background": 50.0}}
    (run / "scores" / name / "images.jsonl").write_text(json.dumps(image) + "\n")


def change(path, **more):
    """Changes a JSON object in a file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def put_log(folder, curves):
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder / "tensorboard") as log:
        for name, values in curves.items():
            for iteration, value in enumerate(values):
                log.add_scalar(name, value, 10 * iteration)


@pytest.fixture
def report(run, monkeypatch):
    """Writes the report of the run: (its folder, the text of its overview, its warnings)."""
    monkeypatch.setattr(sys, "argv", [html.__file__])
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)  # one core: nothing in other processes

    def report(*more):
        html.main(html.parser().parse_args(["--run", str(run), "--out", str(run / "report"), *more]))
        found = json.loads((run / "report/report.json").read_text())
        return run / "report", (run / "report/index.html").read_text(), found["warnings"]

    return report


class Links(HTMLParser):
    """The addresses in a page, its ids, and the text outside of tags."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.text = [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.links += [value for name, value in attributes if name in ("href", "src", "data-src")]
        self.ids += [value for name, value in attributes if name == "id"]

    def handle_data(self, data):
        self.text = " ".join(f"{self.text} {data}".split())


def test_the_overview_shows_scores_with_their_split_and_threshold(report):
    text = Links(report()[1]).text
    assert "Prediction, round 1 on val: 61.25 % mIoU , 70.00 % on simple images, 30.00 % on complex images" in text
    assert "CAM 0.6, best on this ground truth 50.00 70.00 30.00 1.00 2.00" in text
    assert "CAM 0.3, fixed 33.33 – – 0.00 0.00" in text
    assert "Scored on train, 4 images, 2 simple and 2 complex" in text and "Scored on val, 4 images" in text
    assert "CAM: best on this ground truth, 60.00 % at 0.6" in text and "CAM: fixed, 33.33 % at 0.3" in text
    assert "disc 40.0 40.0 40.0" in text


def test_the_first_line_is_of_images_that_no_label_was_made_for(report, run):
    put_scores(run, "pred_other", "train", {"mean_iou": 99.0})
    assert "Prediction, round 1 on val: 61.25 % mIoU" in Links(report("--images", "0")[1]).text


def test_the_overview_shows_what_the_run_is_and_its_stages(report, tiny_data):
    text = Links(report()[1]).text
    facts = "Classes 3 Images test 1, train 4, val 2 Commit 0123456789 Machine M, 2 cores From 2026-01-01 10:00:00"
    assert facts in text and "Time in stages 8 min Stages 8 of 8 finished Seed 1" in text
    assert f"Data set {tiny_data}" in text and "python -m pseudo.background" in text
    assert "cls cls.train 2026-01-01 10:00:00 1 min 1 M, 2 cores cls.train is done" in text


def test_no_check_finds_anything_in_a_good_run(report):
    out, text, warnings = report()
    assert not warnings and "No check found anything that smells." in text


def test_a_training_has_a_curve_of_each_scalar(report, run):
    falling = list(np.linspace(1.0, 0.1, 30))
    put_log(run / "seg1", {"loss/segmentation": falling, "lr": falling, "waiting for data": [0.1] * 30})
    out, text, warnings = report()
    for name in ("segmentation loss", "learning rate", "share of the time spent waiting for data"):
        assert f'aria-label="seg1: {name}"' in text
    assert not warnings


def test_every_link_stays_in_the_folder_and_leads_somewhere(report, run):
    out, _, _ = report()
    pages = sorted(out.rglob("*.html"))
    assert len(pages) >= 2
    for page in pages:
        found = Links(page.read_text())
        for link in found.links:
            path, _, fragment = link.partition("#")
            assert link == "data:," or ":" not in link and not link.startswith("/"), f"{page.name}: {link}"
            if path and link != "data:,":
                target = (page.parent / path).resolve()
                assert target.exists() and out.resolve() in target.parents, f"{page.name}: {link}"
            elif fragment:
                assert fragment in found.ids, f"{page.name}: {link}"
    assert not [path for path in out.rglob("*.css") if "http" in path.read_text()]


def test_what_is_there_is_left_alone_until_the_run_or_an_argument_changes(report, run, capsys):
    out, _, _ = report()
    capsys.readouterr()
    before = (out / "index.html").stat().st_mtime_ns
    report()
    assert "report is finished, nothing to do" in capsys.readouterr().out
    assert (out / "index.html").stat().st_mtime_ns == before
    change(run / "scores/pred1_val/scores.json", mean_iou=12.34)
    assert "12.34 % mIoU" in report()[1]
    report("--images", "1")
    assert len(list(out.glob("images/train/*.html"))) == 1


def test_without_scores_and_with_an_unfinished_stage_there_is_a_report(report, run):
    shutil.rmtree(run / "scores")
    change(run / "seg1/stage.json", finished=None)
    _, text, warnings = report()
    assert "Nothing was scored" in text and text.count("not finished") >= 1
    assert warnings == ["Not finished: seg1"]


def test_without_the_data_set_there_is_no_gallery_and_one_line_says_so(report, run, tiny_data, capsys):
    tiny_data.rename(tiny_data.with_name("elsewhere"))
    out, text, _ = report()
    assert "--data names it" in capsys.readouterr().err and not (out / "gallery.html").exists()
    assert "gallery.html" not in text and "61.25 % mIoU" in text
    out, text, _ = report("--data", str(tiny_data.with_name("elsewhere")))
    assert (out / "gallery.html").exists()


def test_runs_within_the_run_are_named(report, run):
    shutil.copytree(run / "scores", run / "no_glore/scores")
    text = report()[1]
    assert "no_glore, not written yet" in text and "no_glore/report/index.html" not in text
    (run / "no_glore/report").mkdir()
    (run / "no_glore/report/index.html").write_text("")
    assert 'href="../no_glore/report/index.html"' in report()[1]


def test_what_records_hold_cannot_become_markup(report, run):
    change(run / "cls/stage.json", summary="<script>alert(1)</script>", call="<img src=x>")
    text = report()[1]
    assert "<script>alert" not in text and "<img src=x" not in text and "&lt;script&gt;alert(1)" in text


def stale(run, data):
    change(run / "cam/stage.json", finished="2026-01-01 10:30:00")


def another_commit(run, data):
    change(run / "cam/stage.json", versions={"commit": "f" * 40 + "-dirty"})


def another_content(run, data):
    change(run / "cam/stage.json", inputs={"data": {"sha256": "another"}})


def ignored_scores(run, data):
    change(run / "scores/label_initial/scores.json", ignored=97.5)


def ignored_labels(run, data):
    shutil.rmtree(run / "scores/label_initial")
    for path in (run / "label_initial").glob("*.png"):
        write_indexed(path, np.full_like(read_indexed(path), 255))


def black_labels(run, data):
    shutil.rmtree(run / "scores/label_initial")
    lines = [f"copy{number} 0" for number in range(6)]
    (data / "lists/train.txt").write_text("\n".join(lines))
    for number in range(6):
        shutil.copy(data / "JPEGImages/a_simple.jpg", data / "JPEGImages" / f"copy{number}.jpg")
        write_indexed(run / "label_initial" / f"copy{number}.png", np.zeros((48, 64), np.uint8))


def missed_class(run, data):
    change(run / "scores/pred1_val/scores.json", class_iou=IOU | {"bar": 0.0})
    line = {"id": "b_simple", "mean_iou": 25.0, "ignored": 0.0, "class_iou": {"background": 50.0, "bar": 0.0}}
    (run / "scores/pred1_val/images.jsonl").write_text(json.dumps(line))


def renamed(run, data):
    change(run / "cam/stage.json", finished="2026-01-01 10:30:00")
    call = "python -m pseudo.background --oa-cam runs/earlier/cam --out x --out runs/earlier/label_initial"
    record = json.loads((run / "label_initial/stage.json").read_text())
    record["arguments"]["oa_cam"] = "runs/earlier/cam"
    change(run / "label_initial/stage.json", call=call, arguments=record["arguments"])
    shutil.rmtree(run / "scores/cam")


def black_labels_with_scores(run, data):
    for path in (run / "label_initial").glob("*.png"):
        write_indexed(path, np.zeros_like(read_indexed(path)))


def predicted_photographs(run, data):  # no warning
    arguments = {"images": "photos", "data": None, "split": None, "weights": "runs/small/seg1/weights.pth"}
    put_stage(run / "mine", "seg.predict", 7, arguments)


def constant_maps(run, data):
    write_grey(run / "cam/a_simple_0.png", np.full((8, 8), 7, np.uint8))


def damaged_map(run, data):
    (run / "cam/a_simple_0.png").write_bytes(b"\x00")


def no_images(run, data):
    (run / "scores/cam/images.jsonl").unlink()


def waiting(run, data):
    put_log(run / "seg1", {"waiting for data": [0.9, 0.5]})


def risen(run, data):
    put_log(run / "seg1", {"loss/segmentation": [0.0] * 5 + [1.0] * 10 + [3.0] * 10, "lr": list(range(20))})


SMELLS = [
    (stale, ["label_initial is older than its input cam", "scores/cam is older than its input cam"]),
    (another_commit, ["Stages were made by different commits", "Made with uncommitted changes: cam"]),
    (another_content, ["tiny had one content for cls"]),
    (ignored_scores, ["label_initial: 97.5 % of the pixels are ignored"]),
    (
        ignored_labels,
        ["label_initial: 100.0 % of the pixels are ignored", "label_initial: 4 of 4 labels looked at hold"],
    ),
    (black_labels, ["label_initial: 6 of 6 labels looked at hold no object", "label_initial: never predicted"]),
    (missed_class, ["pred1_val: never predicted, or never right: bar (an IoU of 0)"]),
    (renamed, ["label_initial is older than its input cam"]),
    (black_labels_with_scores, ["label_initial: 4 of 4 labels looked at hold no object"]),
    (predicted_photographs, []),
    (constant_maps, ["cam: 1 of 7 maps looked at are constant (a_simple_0.png)"]),
    (damaged_map, ["cam: not looked at"]),
    (no_images, ["Without scores of single images: cam"]),
    (waiting, ["seg1: 50 % of the time went into waiting for data"]),
    (risen, ["seg1: the segmentation loss ended at 3, it began at 1"]),
]


@pytest.mark.parametrize("damage, expected", SMELLS, ids=[damage.__name__ for damage, _ in SMELLS])
def test_what_smells_is_named(report, run, tiny_data, damage, expected):
    damage(run, tiny_data)
    text, warnings = report("--images", "0")[1:]
    found = [[warning for warning in warnings if warning.startswith(start) or start in warning] for start in expected]
    assert all(found) and len(warnings) == len(expected), warnings
    assert ("warning" in Links(text).text) == bool(expected)


@pytest.mark.parametrize("place", ["cam/report", "../../tiny/report", "."])
def test_a_report_is_written_beside_what_it_reads(run, place):
    args = html.parser().parse_args(["--run", str(run), "--out", str(run / place)])
    with pytest.raises(InputError, match="report|small"):
        html.main(args)
    assert not (run / place / "index.html").exists()


@pytest.mark.parametrize("more", [
    {"class_iou": []}, {"class_iou": {"disc": "x"}}, {"thresholds": 3}, {"thresholds": [3]},
    {"thresholds": [{"mean_iou": 3}]}, {"fixed": 5}, {"fixed": {}}, {"mean_iou": float("nan")}, {"threshold": "x"},
    {"threshold": None}, {"complex": {"class_iou": 3, **SCORES}},
])  # fmt: skip
def test_scores_that_mean_nothing_are_refused_and_nothing_is_written(report, run, more):
    change(run / "scores/cam/scores.json", **more)
    with pytest.raises(InputError, match="cam/scores.json: expected"):
        report()
    assert not (run / "report").exists()
