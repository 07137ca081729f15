"""data.check: what it counts, and each fault it names."""

import shutil

import numpy as np
import pytest
from PIL import Image

from common.files.images import read_grey, read_indexed, write_grey, write_indexed
from data import check
from tests import damage

IMAGE, MAP, TRUTH = "JPEGImages/a_simple.jpg", "saliency/a_simple.png", "SegmentationClass/a_simple.png"


@pytest.fixture
def report(tiny_data, capsys):
    """Checks the tiny data set in this process: (exit status, what was printed)."""

    def run(*more, workers=1):
        with pytest.raises(SystemExit) as end:
            check.main(["--data", str(tiny_data), "--workers", str(workers), *more])
        captured = capsys.readouterr()
        return end.value.code, captured.out + captured.err

    return run


def row(text, name):
    return next(line.split()[1:] for line in text.splitlines() if line.startswith(name))


def test_sound_data_in_processes_and_nothing_is_written(report, tiny_data):
    for path in (tiny_data / "saliency").iterdir():
        map_ = read_grey(path)
        write_grey(path, np.where(map_ > 100, map_, 0).astype(np.uint8))
    before = {path: path.stat().st_mtime_ns for path in tiny_data.rglob("*")}
    status, text = report(workers=2)
    assert status == 0 and text.rstrip().endswith("faults: none")
    assert "worth a look" not in text
    assert {path: path.stat().st_mtime_ns for path in tiny_data.rglob("*")} == before
    # test, train, val
    assert row(text, "images") == ["1", "4", "2"]
    assert row(text, "simple") == ["-", "2", "1"] and row(text, "complex") == ["-", "2", "1"]
    assert row(text, "with saliency")[1:] == row(text, "with ground truth")[2:] == ["1", "4", "2"]
    assert row(text, "disc") == ["-", "3", "1"] and row(text, "bar") == ["-", "2", "2"]


def on(action, path, *more):
    """A damage of tests/damage.py to a file of the data set."""
    return lambda root: getattr(damage, action)(root / path, *more)


def saliency(values):
    return lambda root: Image.fromarray(values).save(root / MAP)


def context(write, value=1, size=(48, 64)):
    def add(root):
        (root / "context").mkdir()
        write(root / "context/a_simple.png", np.full(size, value, np.uint8))

    return add


def instances(value, write=write_indexed, size=(48, 64)):
    """Numbers the object of a_simple 1, with `value` at one of its pixels."""

    def add(root):
        mask = read_indexed(root / "SegmentationClass/a_simple.png").copy()
        mask[24, 24] = value
        (root / "InstanceMasks").mkdir()
        write(root / "InstanceMasks/a_simple.png", np.resize(mask, size))

    return add


def instances_on_background(root):
    instances(1)(root)
    write_indexed(root / "InstanceMasks/a_simple.png", np.full((48, 64), 7, np.uint8))


def instances_of_two_classes(root):
    instances(1)(root)
    mask = read_indexed(root / "SegmentationClass/a_simple.png").copy()
    mask[24, 24] = 2  # another class below the same number
    write_indexed(root / "SegmentationClass/a_simple.png", mask)


def train(*lines):
    return lambda root: (root / "lists/train.txt").write_text("".join(line + "\n" for line in lines))


FAULTS = {  # what is done to the data: kind of the fault, and what must be said of it
    "image removed": (on("remove", IMAGE), "image missing: 1", "a_simple.jpg"),
    "image cut off": (on("truncate", IMAGE), "image unreadable: 1", "a_simple.jpg"),
    "map removed": (on("remove", MAP), "saliency missing: 1", "a_simple.png"),
    "map of 16 bits": (on("image", MAP, "I;16"), "saliency of another format: 1", "mode I;16"),
    "map of another size": (saliency(np.ones((64, 48), np.uint8)), "saliency of another size: 1", "found 48x64"),
    "map all zero": (on("image", MAP, "L"), "saliency all zero: 1", "a_simple.png"),
    "mask not indexed": (on("image", TRUTH, "L"), "ground truth of another format: 1", "mode L"),
    "mask of another size": (on("label", TRUTH, 1, (64, 48)), "ground truth of another size: 1", "found 48x64"),
    "mask out of range": (on("label", TRUTH, 4), "ground truth values out of range: 1", "0 to 3 and 255, found 4"),
    "context not indexed": (context(write_grey), "context of another format: 1", "mode L"),
    "context ignored": (context(write_indexed, 255), "context values out of range: 1", "0 to 3, found 255"),
    "instances of another size": (instances(1, size=(64, 48)), "instances of another size: 1", "found 48x64"),
    "instances on background": (instances_on_background, "instances on background: 1",
                                "expected no number on background, found 7"),
    "instances of two classes": (instances_of_two_classes, "instances of several classes: 1", "found 1 2 below 1"),
    "class unknown": (train("a_simple 3"), "lines that cannot be used: 1", "lists/train.txt line 1: expected classes"),
    "image twice": (train("a_simple 0", "", "a_simple 0"), "images listed twice: 1",
                    "lists/train.txt line 3: a_simple"),
    "no class": (train("a_simple 0", "b_simple"), "images listed without a class: 1", "lists/train.txt: b_simple"),
    "list empty": (train(), "lists without an image: 1", "lists/train.txt"),
    "lists differ": (train("b_simple 1"), "images with different classes in two lists: 1", "lists/val.txt: b_simple"),
}  # fmt: skip


def test_a_map_that_is_not_needed_is_checked_where_it_exists(report, tiny_data):
    train("b_simple 2")(tiny_data)
    saliency(np.zeros((40, 56), np.uint8))(tiny_data)  # of a_simple, which no list names
    (tiny_data / "saliency/a_simple.png").rename(tiny_data / "saliency/d_complex.png")  # of val
    status, text = report()
    assert status == 1 and "saliency all zero: 1" in text and "d_complex.png" in text


def test_context_and_instances_are_checked_where_there_are_some(report, tiny_data):
    assert "with instances" not in report()[1]
    context(write_indexed, 3)(tiny_data)
    instances(254)(tiny_data)
    status, text = report()
    assert status == 0 and text.rstrip().endswith("faults: none")
    assert row(text, "with instances")[1:] == ["0", "1", "0"]
    (tiny_data / "SegmentationClass/a_simple.png").unlink()  # numbers without classes: only looked at
    assert report()[0] == 0


def test_a_map_of_one_value_is_a_remark(report, tiny_data):
    saliency(np.full((48, 64), 7, np.uint8))(tiny_data)
    status, text = report()
    assert status == 0 and "saliency maps of one value: 1\n" in text and "a_simple.png: 7 everywhere" in text


def test_without_need_of_saliency_nothing_of_it_is_read(report, tiny_data):
    saliency(np.zeros((64, 48, 3), np.uint8))(tiny_data)
    (tiny_data / "saliency/b_simple.png").unlink()
    assert report()[0] == 1
    for _ in range(2):
        status, text = report("--no-saliency")
        assert status == 0 and text.rstrip().endswith("faults: none")
        assert "saliency" not in text.replace(str(tiny_data), "")
        shutil.rmtree(tiny_data / "saliency", ignore_errors=True)
    assert "saliency missing: 4" in report()[1]
    on("truncate", TRUTH)(tiny_data)
    status, text = report("--no-saliency")
    assert status == 1 and "ground truth unreadable: 1" in text


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(report, tiny_data, fault):
    damage, kind, message = FAULTS[fault]
    damage(tiny_data)
    status, text = report()
    faults = text[text.index("\nfaults\n") :].splitlines()[2:]
    assert status == 1
    assert [line.strip() for line in faults if line.startswith("  ") and line[2] != " "] == [kind]
    assert message in faults[1]


def test_three_are_cited_and_the_rest_counted(report, tiny_data):
    shutil.rmtree(tiny_data / "saliency")
    status, text = report()
    assert status == 1 and "saliency missing: 4" in text and "and 1 more" in text
    assert text.count("no such file") == 3
    assert "saliency: no usable map" in text


def test_saliency_and_ground_truth_are_not_needed_beyond_training(report, tiny_data):
    (tiny_data / "lists/train.txt").write_text("a_simple 0\n")
    shutil.rmtree(tiny_data / "SegmentationClass")
    (tiny_data / "saliency/d_complex.png").unlink()
    status, text = report()
    assert status == 0
    assert row(text, "with saliency")[1:] == ["1", "1", "1"]
    assert row(text, "with ground truth")[2:] == ["0", "0", "0"]


def test_ground_truth_of_other_classes_is_a_remark(report, tiny_data):
    on("label", TRUTH, 2)(tiny_data)
    status, text = report()
    assert status == 0
    assert "shows other classes than the lists: 1" in text and "a_simple.png: shows square, listed disc" in text
