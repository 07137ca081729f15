"""data.prepare_voc12 --subset, with a subset of the tiny devkit's images."""

import os
import shutil

import cv2
import numpy as np
import pytest

from common.files.dataset import SAFE_ID, DataSet
from common.files.images import read_grey, read_indexed, read_rgb
from common.files.voc import CLASSES
from data import prepare_voc12, subset
from tests.outputs import contents

LISTS = {
    "classes": "dog\nperson\ntvmonitor\n",
    "train": "2007_000001 0\n2007_000002 1\n",
    "train_aug": "2007_000001 0\n2007_000002 1\n2008_000004 0\n",
    "val": "2007_000003 2\n",
}
VALUES = {12: 1, 15: 2, 20: 3}  # VOC's values of these classes: the subset's


@pytest.fixture
def prepare(tiny_devkit, tmp_path, monkeypatch):
    """Runs the stage in this process on the subset LISTS; returns the data set."""
    (tmp_path / "subsets/animals").mkdir(parents=True)
    for name, text in LISTS.items():
        (tmp_path / f"subsets/animals/{name}.txt").write_text(text)
    monkeypatch.setattr(subset, "FOLDER", tmp_path / "subsets")

    def run(*more, out="out", devkit=tiny_devkit):
        arguments = ["--devkit", devkit, "--saliency", tmp_path / "saliency_aug", "--out", tmp_path / out]
        (tmp_path / out).mkdir(exist_ok=True)
        arguments += ["--subset", "animals", "--workers", 1, *more]
        prepare_voc12.run(prepare_voc12.build_parser().parse_args(list(map(str, arguments))))
        return DataSet(tmp_path / out)

    return run


def test_other_classes_are_background_and_context(prepare, tiny_devkit, in_process):
    data = prepare()
    assert data.classes == ["dog", "person", "tvmonitor"]
    for split in ("train", "train_aug", "val"):
        assert (data.root / f"lists/{split}.txt").read_text() == LISTS[split]
    for item in data.split("train") + data.split("val"):
        label = read_indexed(tiny_devkit / f"SegmentationClass/{item.id}.png")
        truth = np.zeros_like(label)
        for value, own in {**VALUES, 255: 255}.items():
            truth[label == value] = own
        assert (data.ground_truth(item.id) == truth).all()
        assert (data.context(item.id) == (label == 9) * 2).all()  # the chair beside the person
    assert (data.context("2007_000002") == 2).any() and not data.ground_truth_path("2008_000004").exists()
    assert (data.root / "JPEGImages").is_symlink() and (data.root / "saliency").is_symlink()
    in_process("data.check", "--data", data.root, "--workers", 1)


def test_longest_shrinks_everything_alike(prepare, tiny_devkit, tmp_path, in_process):
    data = prepare("--longest", 16)
    assert not any(path.is_symlink() for path in data.root.rglob("*"))
    for item in data.split("train_aug") + data.split("val"):
        photograph = read_rgb(tiny_devkit / f"JPEGImages/{item.id}.jpg")
        height, width = (16, 12) if item.id == "2007_000002" else (12, 16)
        expected = cv2.resize(photograph, (width, height), interpolation=cv2.INTER_AREA)
        assert np.abs(data.image(item.id) - expected.astype(float)).mean() < 3  # JPEG's losses
    for id in ("2007_000001", "2008_000004"):
        map_ = read_grey(tmp_path / f"saliency_aug/{id}.png")
        assert (data.saliency(id) == cv2.resize(map_, (16, 12), interpolation=cv2.INTER_AREA)).all()
    label = read_indexed(tiny_devkit / "SegmentationClass/2007_000002.png")
    label = cv2.resize(label, (12, 16), interpolation=cv2.INTER_NEAREST_EXACT)
    assert (data.ground_truth("2007_000002") == np.select([label == 15, label == 255], [2, 255])).all()
    assert (data.context("2007_000002") == (label == 9) * 2).all()
    in_process("data.check", "--data", data.root, "--workers", 1)


def test_images_that_are_small_enough_are_copied(prepare, tiny_devkit):
    data = prepare("--longest", 40)
    assert not (data.root / "JPEGImages").is_symlink()
    for item in data.split("train_aug"):
        assert data.image_path(item.id).read_bytes() == (tiny_devkit / f"JPEGImages/{item.id}.jpg").read_bytes()


def test_an_interrupted_run_resumes(prepare):
    data = prepare("--longest", 16)
    expected = contents(data.root)
    data.image_path("2007_000001").write_bytes(b"\xff\xd8half")
    data.ground_truth_path("2007_000003").unlink()
    data.saliency_path("2008_000004").unlink()
    kept = [data.image_path("2007_000003"), data.ground_truth_path("2007_000001"), data.saliency_path("2007_000001")]
    for path in kept:
        os.utime(path, (0, 0))
    prepare("--longest", 16)
    assert contents(data.root) == expected and all(path.stat().st_mtime == 0 for path in kept)


def test_a_whole_devkit_and_a_part_give_the_same(prepare, tiny_devkit, tmp_path):
    part = tmp_path / "part"
    shutil.copytree(tiny_devkit, part)
    for path in ("JPEGImages/2008_000005.jpg", "Annotations", "ImageSets"):
        (shutil.rmtree if (part / path).is_dir() else os.unlink)(part / path)
    whole = prepare("--longest", 16)
    assert contents(whole.root) == contents(prepare("--longest", 16, out="of_part", devkit=part).root)


def test_the_lists_of_animals():
    classes = (subset.FOLDER / "animals/classes.txt").read_text().split()
    assert classes == ["cat", "cow", "dog", "horse", "person", "sheep"] and {*classes} < {*CLASSES}
    lists = subset.read_lists("animals")
    ids = {split: [item.id for item in items] for split, items in lists.items()}
    assert {split: len({*each}) for split, each in ids.items()} == {"train": 437, "train_aug": 974, "val": 293}
    assert all(each == sorted(each) and all(map(SAFE_ID.fullmatch, each)) for each in ids.values())
    assert {*lists["train"]} < {*lists["train_aug"]} and not {*ids["train_aug"]} & {*ids["val"]}
    items = lists["train_aug"] + lists["val"]
    assert all(item.classes and [*item.classes] == sorted({*item.classes} & {*range(6)}) for item in items)
