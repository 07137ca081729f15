"""data.prepare_toy: the pixels of every machine, the layout, and the content that the paper is about."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from common.dataset import DataSet
from data.prepare_toy import Recipe, draw_example

ROOT = Path(__file__).resolve().parents[2]
SHA256 = "dd78b7a52397ff2b6720d825ae8a1984ecb64f06029ac6043f2910209b782439"


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


@pytest.fixture(scope="module")
def examples():
    return [draw_example(0, "train", index) for index in range(80)]


def is_complex(example):
    return len(np.unique(example.ground_truth)) > 2


def test_every_machine_draws_the_same_pixels():
    digest = hashlib.sha256()
    for split in ("train", "val"):
        for index in range(12):
            for array in draw_example(0, split, index):
                digest.update(np.ascontiguousarray(array).tobytes())
    assert digest.hexdigest() == SHA256


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
            present = set(np.unique(data.ground_truth(item.id))) - {0}
            assert present == {c + 1 for c in item.classes}


def test_half_of_the_images_are_complex_and_the_share_can_be_chosen(examples):
    assert 0.35 < np.mean([is_complex(e) for e in examples]) < 0.65
    assert not any(is_complex(draw_example(0, "train", i, Recipe(complex_share=0.0))) for i in range(8))
    assert all(is_complex(draw_example(0, "train", i, Recipe(complex_share=1.0))) for i in range(8))


def test_a_simple_image_has_one_object_and_saliency_covers_most_of_it(examples):
    covered = []
    for example in examples:
        if not is_complex(example):
            mask = example.ground_truth > 0
            assert ndimage.label(mask, np.ones((3, 3)))[1] == 1  # a star's tips may hang together by corners
            covered.append((example.saliency[mask] > 127).mean())
    assert np.mean(covered) > 0.75
    assert min(covered) < 0.9  # some chunks are missing


def test_saliency_is_exactly_zero_away_from_objects(examples):
    for example in examples:
        far = ndimage.distance_transform_edt(example.ground_truth == 0) > 6
        assert far.any() and not example.saliency[far].any()


def test_complex_images_have_objects_outside_the_saliency_map(examples):
    missed = [
        (example.ground_truth > 0)[example.saliency == 0].sum() / (example.ground_truth > 0).sum()
        for example in examples
        if is_complex(example)
    ]
    assert np.mean(np.array(missed) > 0.15) > 0.8


def test_saliency_leaks_to_other_objects_only_if_asked():
    def salient_classes(leak):
        recipe = Recipe(complex_share=1.0, extra_instance=0.0, saliency_leak=leak)
        found = [draw_example(0, "train", i, recipe) for i in range(20)]
        return np.mean([len(np.unique(e.ground_truth[e.saliency > 160])) > 2 for e in found])

    assert salient_classes(1.0) > salient_classes(0.0) + 0.3


def test_any_class_may_be_salient_or_not():
    salient, other = set(), set()
    recipe = Recipe(complex_share=1.0, extra_instance=0.0, saliency_missing=0.0)
    for example in (draw_example(0, "train", index, recipe) for index in range(60)):
        for c in set(np.unique(example.ground_truth)) - {0}:
            (salient if example.saliency[example.ground_truth == c].mean() > 100 else other).add(c)
    assert salient == other == {1, 2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    "option, value",
    [
        ("--train", ["0"]),
        ("--width", ["8"]),
        ("--complex-share", ["1.5"]),
        ("--max-classes", ["7"]),
        ("--salient-radius", ["9", "5"]),
        ("--seed", ["-1"]),
    ],
)
def test_bad_arguments_are_named_and_leave_nothing(tmp_path, option, value):
    result = prepare(tmp_path / "set", option, *value)
    assert result.returncode == 2
    assert f"{option}: expected" in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr
    assert not (tmp_path / "set").exists()
