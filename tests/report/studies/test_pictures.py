"""Measurements and pictures of single folders: context that maps call object."""

import json

import numpy as np
import pytest
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import VOC_COLOURS, write_grey, write_indexed
from report.studies import picture


@pytest.fixture
def contexts(tmp_path):
    """Five images 40x40 of one class: an object, of which maps find half, context below, and of two rows maps that call
    none, half or all of it object: a 0 -> 100 %, b 100 -> 0, c 50 -> 50, d 100 -> 50; e has a quarter as much context.
    """
    data, run = tmp_path / "data", tmp_path / "run"
    folders = [data / name for name in ("JPEGImages", "lists", "SegmentationClass", "context")]
    for folder in (*folders, run / "ce/cam", run / "all/cam"):
        folder.mkdir(parents=True)
    (data / "classes.txt").write_text("train\nboat\n")
    (data / "lists/train.txt").write_text("".join(f"{id} 1\n" for id in "abcde"))
    called = {"a": (0, 20), "b": (20, 0), "c": (10, 10), "d": (20, 10), "e": (20, 0)}  # columns of the context
    for id, counts in called.items():
        Image.new("RGB", (40, 40), (200, 100, 50)).save(data / "JPEGImages" / f"{id}.jpg")
        truth, context = np.zeros((40, 40), np.uint8), np.zeros((40, 40), np.uint8)
        truth[:10, :10], context[20:, : 20 if id != "e" else 5] = 2, 2
        truth[0, 20:], context[:5, :5], context[:20, 20:] = 255, 2, 1  # on an object; of a class that the image lacks
        write_indexed(data / "SegmentationClass" / f"{id}.png", truth)
        write_indexed(data / "context" / f"{id}.png", context)
        for row, count in zip(("ce", "all"), counts):
            map_ = np.zeros((40, 40), np.uint8)
            map_[:10, :5] = map_[20:, :count] = 255
            write_grey(run / row / "cam" / f"{id}_1.png", map_)
    return data, run


def test_context_that_maps_call_object(run_command, contexts, tmp_path):
    data, run = contexts

    def measure(*more):
        where = ("--data", data, "--split", "train", "--maps", run / "ce/cam", "--out", tmp_path / "out")
        result = run_command("report.studies.context", *where, "--workers", 1, *more)
        assert result.returncode == 0, result.stderr
        return json.loads((tmp_path / "out/scores.json").read_text())

    called = (0 + 400 + 200 + 400 + 100) / 1700  # with the first half of the object pixels; with the others the rest
    assert measure() == {
        "context_at_60": round(100 * (called + 0.2 * (1 - called)), 2),
        "auc": round(100 * (0.25 * called + 0.75 * (1 - called)), 2),
        "pixels": {"object": 500, "own_context": 1700},
    }
    for path in (data / "context").iterdir():
        write_indexed(path, np.zeros((40, 40), np.uint8))
    assert measure("--force") == {"context_at_60": None, "auc": None, "pixels": {"object": 500, "own_context": 0}}


def test_the_picture_shows_the_ends(contexts, tmp_path, capsys):
    data, run = contexts
    words = f"--data {data} --split train --run {run} --rows ce all --out {tmp_path}/maps.png".split()
    picture.main(picture.parser().parse_args([*words, "--count", "2"]))
    expected = ["b: context called object 100 → 0 %", "a: context called object 0 → 100 %"]
    assert capsys.readouterr().out.splitlines() == expected
    with Image.open(tmp_path / "maps.png") as figure:
        assert figure.width > 4 * 192 and figure.height > 2 * 192
    picture.main(picture.parser().parse_args(words))
    assert [line[0] for line in capsys.readouterr().out.splitlines()] == [*"bdca"]

    dataset = DataSet(data)
    truth = picture.truth_with_context(dataset, "b")
    assert (truth[5, 2] == VOC_COLOURS[2]).all() and (truth[30, 5] == (VOC_COLOURS[2].astype(int) + 510) // 3).all()
    before, after = (picture.heat(dataset, run / row / "cam", dataset.split("train")[1]) for row in ("ce", "all"))
    assert (before[30, 5] == before[5, 2]).all() and (before[30, 5] != after[30, 5]).any()
