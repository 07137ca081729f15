"""irn.label_maps: labels as class maps."""

import numpy as np
import pytest

from common.files.dataset import DataSet
from common.files.images import read_grey, read_indexed
from irn.label_maps import parser, run


@pytest.fixture
def args(tiny_data, tmp_path):
    """Arguments that turn the tiny data's ground truth, which has pixels of 255, into maps."""
    (tmp_path / "maps").mkdir()
    options = ["--data", tiny_data, "--split", "train", "--labels", tiny_data / "SegmentationClass"]
    return parser().parse_args(list(map(str, [*options, "--out", tmp_path / "maps", "--workers", 1])))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.png")}


def test_each_class_of_the_list_has_its_pixels(args, tiny_data):
    lines = (tiny_data / "lists/train.txt").read_text().replace("a_simple 0", "a_simple 0 1")  # 1 is not in its label
    (tiny_data / "lists/train.txt").write_text(lines.replace("d_complex 0 1 2", "d_complex 0 2"))  # 1 is not listed
    assert run(args) == "4 images, 7 maps"
    items = DataSet(tiny_data).split("train")
    assert set(contents(args.out)) == {f"{item.id}_{cls}.png" for item in items for cls in item.classes}
    for item in items:
        label = read_indexed(tiny_data / f"SegmentationClass/{item.id}.png")
        assert (label == 255).any()
        for cls in item.classes:
            expected = 255 * (label == cls + 1).astype(np.uint8)
            np.testing.assert_array_equal(read_grey(args.out / f"{item.id}_{cls}.png"), expected)
            assert expected.any() or (item.id, cls) == ("a_simple", 1)
