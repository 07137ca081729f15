"""fbr.refine as a command: the maps of a folder by the images' colours."""

import cv2
import numpy as np
import pytest
import torch

from common.files.dataset import DataSet
from common.files.images import read_grey, write_grey
from fbr.refinement import refine


@pytest.fixture
def maps(tiny_data, tmp_path):
    """A folder of random maps for the tiny data, one of them 0 everywhere."""
    folder = tmp_path / "cam"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for item in DataSet(tiny_data).split("train"):
        for cls in item.classes:
            map_ = rng.integers(0, 200, (8, 10), dtype=np.uint8)
            write_grey(folder / f"{item.id}_{cls}.png", map_ * (item.id != "d_complex" or cls != 1))
    return folder


@pytest.fixture
def command(run_command, tiny_data, maps, tmp_path):
    """`command(*more)` runs fbr.refine on the folder of maps, into "refined"."""
    common = ("--data", tiny_data, "--split", "train", "--maps", maps, "--out", tmp_path / "refined")
    return lambda *more: run_command("fbr.refine", *common, *more)


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_maps_are_those_of_the_function(command, tiny_data, maps, tmp_path):
    result = command("--workers", 2)
    assert result.returncode == 0 and "4 images, 7 maps" in result.stdout, result.stderr
    assert sorted(contents(tmp_path / "refined")) == sorted(contents(maps))
    dataset = DataSet(tiny_data)
    for item in dataset.split("train"):
        image = cv2.resize(dataset.image(item.id), (10, 8), interpolation=cv2.INTER_AREA)
        for cls in item.classes:
            before = read_grey(maps / f"{item.id}_{cls}.png")
            after = read_grey(tmp_path / "refined" / f"{item.id}_{cls}.png")
            colours = torch.from_numpy(image / np.float32(255))[None]
            expected = refine(torch.from_numpy(before / np.float32(255))[None, None], colours, 0.03, 10)[0, 0].numpy()
            assert after.shape == before.shape and after.max() == (255 if before.any() else 0)
            np.testing.assert_allclose(after, expected * 255, atol=1.01)
            assert not before.any() or not np.array_equal(after, before)
