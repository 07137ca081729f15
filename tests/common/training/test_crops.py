"""Training crops: image and label stay together, what lies beyond the image is mean and 255."""

import numpy as np
import pytest
import torch
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import write_indexed
from common.training.crops import SeedCrops, TrainingCrops
from stages.files import InputError


def crops(tiny_data, crop_size=40, scales=(0.5, 1, 1.5), seed=0, kind=TrainingCrops, **more):
    dataset = DataSet(tiny_data)
    labels = tiny_data / "SegmentationClass"
    return kind(dataset, dataset.split("train"), labels, crop_size, list(scales), seed, **more)


def test_size_and_padding(tiny_data):
    sample = crops(tiny_data, crop_size=100, scales=(1,))[(0, 0)]  # the image is 48 x 64
    image, label = sample["image"].numpy(), sample["label"].numpy()
    assert image.shape == (100, 100, 3) and label.shape == (100, 100) and image.dtype == label.dtype == np.uint8
    top, left, bottom, right = sample["rectangle"].tolist()
    assert (top, bottom) == (0, 48) and (left, right) in ((0, 64), (36, 100))
    assert (label[48:] == 255).all() and (image[48:] == 0).all() and image[:48, left:right].any(2).all()
    inside = label[:48] if (label[:48, :10] != 255).any() else label[:48, ::-1]  # flipped or not
    assert (inside[:, 64:] == 255).all() and (inside[:, :64] != 255).any()


def test_image_and_label_move_together(tiny_data):
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8) * 4, (48, 64))  # labels that can be read off the pixels
    Image.fromarray(np.dstack([ramp] * 3)).save(tiny_data / "JPEGImages" / "a_simple.jpg", quality=100)
    write_indexed(tiny_data / "SegmentationClass" / "a_simple.png", (ramp > 128).astype(np.uint8))
    for position in range(20):
        sample = crops(tiny_data)[(position, 0)]
        red, label = sample["image"].numpy()[:, :, 0], sample["label"].numpy()
        assert ((red > 128) == label)[label != 255].mean() > 0.95


def test_the_position_decides(tiny_data):
    first, again, other = crops(tiny_data)[(5, 2)], crops(tiny_data)[(5, 2)], crops(tiny_data)[(6, 2)]
    np.testing.assert_array_equal(first["image"], again["image"])
    assert not np.array_equal(first["image"], other["image"])
    assert not np.array_equal(first["image"], crops(tiny_data, seed=1)[(5, 2)]["image"])


def test_seeds_are_taken_below_and_right_of_the_middle(tiny_data):
    whole, seeds = crops(tiny_data, scales=(1,)), crops(tiny_data, scales=(1,), kind=SeedCrops, stride=4)
    for position in range(4):
        expected, found = whole[(position, position)], seeds[(position, position)]
        assert found["label"].shape == (10, 10) and torch.equal(found["label"], expected["label"][2::4, 2::4])
        assert torch.equal(found["image"], expected["image"])


def test_a_missing_label_is_named(tiny_data):
    (tiny_data / "SegmentationClass" / "b_simple.png").unlink()
    with pytest.raises(InputError, match="b_simple.png: no such file"):
        crops(tiny_data)
