"""data.prepare_toy: the pixels of every machine, the layout, what options change, context and instances."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common.files.dataset import DataSet
from data.prepare_toy import Recipe, draw_example
from data.toy_drawing import number_objects

ROOT = Path(__file__).resolve().parents[2]
SHA256 = "dd78b7a52397ff2b6720d825ae8a1984ecb64f06029ac6043f2910209b782439"
SHA256_WITH_CONTEXT = "8c937503d99e4d1f2dfa3596b2d84cc2249c818226fe822f494b5a1280fd461b"
SHA256_CROWDED = "7cb517e1f044fb8975bd552e17980170dd373e27a7556c75beea91db364ba9ad"
WITH_CONTEXT = Recipe(context=0.9, context_alone=0.1)
CROWDED = Recipe(
    complex_share=0.9, max_classes=6, saliency_missing=1.0, saliency_noise=0.0, saliency_leak=1.0, context_alone=1.0
)


def prepare(out, *options):
    command = [sys.executable, "-m", "data.prepare_toy", "--out", str(out), "--workers", "1", *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def contents(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*.*") if path.name != "stage.json"}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The folder of a small data set with seed 0."""
    out = tmp_path_factory.mktemp("toy") / "set"
    result = prepare(out, "--train", "12", "--val", "4")
    assert result.returncode == 0, result.stderr
    return out


def classes_of(mask):
    return {int(value) for value in np.unique(mask)} - {0}


def is_complex(example):
    return len(np.unique(example.ground_truth)) > 2


@pytest.mark.parametrize(("recipe", "arrays", "expected"), [
    (Recipe(), 3, SHA256),  # of image, ground truth and saliency, as before there was context
    (WITH_CONTEXT, 4, SHA256_WITH_CONTEXT),
    (CROWDED, 5, SHA256_CROWDED),
])  # fmt: skip
def test_every_machine_draws_the_same_pixels(recipe, arrays, expected):
    digest = hashlib.sha256()
    for split in ("train", "val"):
        for index in range(12):
            for array in draw_example(0, split, index, recipe)[:arrays]:
                digest.update(np.ascontiguousarray(array).tobytes())
    assert digest.hexdigest() == expected


def test_same_seed_same_files_other_seed_other_files(small, tmp_path):
    assert prepare(tmp_path / "again", "--train", "12", "--val", "4").returncode == 0
    assert prepare(tmp_path / "other", "--train", "12", "--val", "4", "--seed", "1").returncode == 0
    first, again, other = contents(small), contents(tmp_path / "again"), contents(tmp_path / "other")
    assert first == again
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first if name.endswith(".jpg"))


def test_an_interrupted_run_goes_on_and_ends_the_same(small, tmp_path):
    out = tmp_path / "set"
    assert prepare(out, "--train", "12", "--val", "4").returncode == 0
    record = out / "stage.json"
    record.write_text(record.read_text().replace('"finished": "', '"finished": null, "was": "'))
    (out / "JPEGImages" / "train_0003.jpg").unlink()
    kept = out / "JPEGImages" / "train_0004.jpg"
    before = kept.stat().st_mtime_ns
    assert prepare(out, "--train", "12", "--val", "4").returncode == 0
    assert contents(out) == contents(small)
    assert kept.stat().st_mtime_ns == before


def test_reads_back_and_lists_the_classes_of_the_ground_truth(small):
    data = DataSet(small)
    assert len(data.classes) == 6
    for split, count in (("train", 12), ("val", 4)):
        items = data.split(split, labelled=True)
        assert len(items) == count
        for item in items:
            assert data.image(item.id).shape == (96, 128, 3)
            assert data.saliency(item.id).shape == (96, 128)
            assert classes_of(data.ground_truth(item.id)) == {c + 1 for c in item.classes}
            split, index = item.id.split("_")
            assert np.array_equal(data.instances(item.id), draw_example(0, split, int(index)).instances)


def test_instances_are_the_objects_of_the_ground_truth():
    counts = []
    for example in (draw_example(0, "val", index, Recipe(max_classes=6)) for index in range(40)):
        assert example.instances.dtype == np.uint8
        assert np.array_equal(example.instances > 0, example.ground_truth > 0)
        counts.append(example.instances.max())
        for number in range(1, counts[-1] + 1):  # none is missing
            assert len(np.unique(example.ground_truth[example.instances == number])) == 1
        if not is_complex(example):
            assert counts[-1] == 1
        salient = example.instances[example.saliency > 200]
        assert np.bincount(salient).argmax() == counts[-1]  # it is drawn last
    assert max(counts) > 4


def test_what_is_drawn_later_lies_on_top_and_what_is_hidden_has_no_number():
    masks = np.zeros((3, 2, 5), bool)
    masks[0, 0, :2] = masks[1, 0, 1:4] = masks[2, 0, 3:] = True
    assert number_objects(masks).tolist() == [[1, 2, 2, 3, 3], [0] * 5]
    masks[1, 0] = masks[0, 0]
    assert number_objects(masks).tolist() == [[1, 1, 0, 2, 2], [0] * 5]
    masks[2] = True
    assert number_objects(masks).tolist() == [[1] * 5] * 2


def test_masks_of_context_are_written_and_made_again(small, tmp_path):
    assert not (small / "context").exists()
    out, options = tmp_path / "set", ("--train", "6", "--val", "2", "--context", "0.9", "--context-alone", "0.1")
    assert prepare(out, *options).returncode == 0
    before, data = contents(out), DataSet(out)
    items = data.split("train") + data.split("val")
    assert sorted(path.stem for path in (out / "context").iterdir()) == sorted(item.id for item in items)
    for item in items:
        split, index = item.id.split("_")
        example = draw_example(0, split, int(index), WITH_CONTEXT)
        assert np.array_equal(data.context(item.id), example.context)
        assert item.classes == tuple(value - 1 for value in sorted(classes_of(example.ground_truth)))
    data.context_path("train_0003").unlink()
    assert prepare(out, *options).returncode == 0
    assert contents(out) == before
