"""Weaker saliency: which objects are lost, what is blurred, and the rectangle, by hand and as a command."""

import numpy as np

from common.files.images import read_grey
from report.studies.degrade import degraded


def two_objects():
    saliency = np.zeros((40, 60), np.uint8)
    saliency[5:25, 5:25] = 255  # 400 pixels
    saliency[5:15, 40:50] = 200  # 100, a quarter of them
    saliency[5:15, 50:52] = 100  # soft border of the smaller one
    return saliency


def test_small_objects_are_lost_with_their_borders():
    saliency = two_objects()
    large = saliency * (np.arange(60) < 30)
    assert np.array_equal(degraded(saliency, 0.25, 0), saliency)  # not smaller than a quarter
    assert np.array_equal(degraded(saliency, 0.26, 0), large) and np.array_equal(degraded(saliency, 1, 0), large)
    assert not degraded(np.zeros((8, 8), np.uint8), 1, 0.1).any()


def test_blur_is_relative_to_the_image():
    small, large = (degraded(np.kron(two_objects(), np.ones((k, k), np.uint8)), 0, 0.05) for k in (1, 4))
    assert small[15, 25] < 255 and abs(int(small[15, 25]) - int(large[62, 102])) < 8
    assert abs(float(small.mean()) - two_objects().mean()) < 2


def test_command(tiny_data, tmp_path, run_command):
    for name, more in {"a": ["--lost", "1", "--blur", "0.1"], "b": ["--rectangle"]}.items():
        out = tmp_path / name
        result = run_command("report.studies.degrade", "--data", tiny_data, "--split", "train", "--out", out, *more)
        assert result.returncode == 0, result.stderr
        for path in out.glob("*.png"):
            found, original = read_grey(path), read_grey(tiny_data / "saliency" / path.name)
            assert found.shape == original.shape and not np.array_equal(found, original)
            if name == "b":
                share = found.mean() / 255
                assert set(np.unique(found)) == {0, 255} and abs(share - 0.49) < 0.03
