"""irn.label_maps: labels as class maps."""

import numpy as np

from common.files.dataset import DataSet
from common.files.images import read_grey, read_indexed


def test_each_class_of_the_list_has_its_pixels(here, tiny_data):
    lines = (tiny_data / "lists/train.txt").read_text().replace("a_simple 0", "a_simple 0 1")  # 1 is not in its label
    (tiny_data / "lists/train.txt").write_text(lines.replace("d_complex 0 1 2", "d_complex 0 2"))  # 1 is not listed
    options = ("--data", tiny_data, "--split", "train", "--labels", tiny_data / "SegmentationClass", "--workers", 1)
    out, items = here("irn.label_maps", "maps", *options), DataSet(tiny_data).split("train")
    assert {path.name for path in out.iterdir()} == {f"{item.id}_{cls}.png" for item in items for cls in item.classes}
    for item in items:
        label = read_indexed(tiny_data / f"SegmentationClass/{item.id}.png")
        assert (label == 255).any()
        for cls in item.classes:
            expected = 255 * (label == cls + 1).astype(np.uint8)
            np.testing.assert_array_equal(read_grey(out / f"{item.id}_{cls}.png"), expected)
            assert expected.any() or (item.id, cls) == ("a_simple", 1)
