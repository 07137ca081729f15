"""irn.train as a command: what it learns, and where a stopped run goes on."""

import importlib

import numpy as np
import pytest
import torch
from PIL import Image

from common.files.dataset import DataSet
from common.files.preprocess import normalise
from common.training.crops import SeedCrops
from irn.model import build
from tests.outputs import scalars, weights

VGG = ("--backbone", "vgg16", "--channels", 4, 4, 8, 8, 8, "--depths", 1, 1, 1, 1, 1, "--batch-norm")
# four images in batches of three, so the second batch of an epoch is one image
SMALL = ("--branch-width", 4, "--crop-size", 48, "--radius", 4, "--epochs", 3, "--batch-size", 3)
HERE = ("--device", "cpu", "--workers", 0, "--no-amp")


@pytest.fixture
def train(here, tiny_data):
    """`train(folder, *more)` runs irn.train on the tiny data's ground truth and returns <tmp_path>/<folder>."""
    own = ("--data", tiny_data, "--split", "train", "--seeds", tiny_data / "SegmentationClass", *VGG, *SMALL, *HERE)
    return lambda folder, *more: here("irn.train", folder, *own, *more)


# What it writes


def test_the_mean_displacement_is_that_of_the_padded_images(train, tiny_data):
    """In training mode, over the top left of each image in its own size, which here is cut and padded."""
    content = torch.load(train("irn", "--batch-size", 2) / "weights.pth", weights_only=True)
    model = build(**content["arch"])
    model.load_state_dict(content["state_dict"])
    model.train()
    dataset, means = DataSet(tiny_data), []
    for item in dataset.split("train"):
        image = torch.tensor(dataset.image(item.id))[None]  # (1, H, W, 3)
        padded = torch.zeros(1, 3, 48, 48)
        part = normalise(image, "torchvision")[:, :, :48, :48]
        padded[:, :, : part.shape[2], : part.shape[3]] = part
        with torch.no_grad():
            means.append(model(padded).displacement.mean((0, 2, 3)))
    expected = torch.stack(means).mean(0)
    torch.testing.assert_close(content["state_dict"]["mean_displacement"], expected, rtol=1e-4, atol=1e-5)
    assert expected.abs().max() > 0.01


def test_the_learning_rate_falls_to_0(train):
    rates = scalars(train("irn", "--lr", 0.2, "--save-every", 1))["lr"]
    assert rates == pytest.approx({step: 0.2 * (1 - step / 6) ** 0.9 for step in range(6)})


@pytest.mark.parametrize("scale, size", [(0.64, (26, 36)), (2, (80, 112))])  # of 40 x 56, rounded, not down
@pytest.mark.parametrize("position", range(4))
def test_crops_are_pillows_bicubic_and_their_seeds_nearest_at_stride_4(tiny_data, position, scale, size):
    """Here with padding, so nothing is cut off; some are mirrored."""
    dataset = DataSet(tiny_data)
    item = dataset.split("train")[3]
    sample = SeedCrops(dataset, [item], tiny_data / "SegmentationClass", 128, [scale], 0, stride=4)[position, 0]
    image, label = (Image.fromarray(each) for each in (dataset.image(item.id), dataset.ground_truth(item.id)))
    height, width = size
    label = np.pad(label.resize((width, height), Image.NEAREST), ((0, 128 - height), (0, 128 - width)), "constant",
                   constant_values=255)  # fmt: skip
    left, right = sample["rectangle"].tolist()[1::2]
    assert sample["rectangle"].tolist() in ([0, 0, height, width], [0, 128 - width, height, 128])
    found = sample["image"].numpy()[:height, left:right]
    mirrored = left > 0
    np.testing.assert_array_equal(found[:, ::-1] if mirrored else found, image.resize((width, height), Image.BICUBIC))
    np.testing.assert_array_equal(sample["label"], (label[:, ::-1] if mirrored else label)[2::4, 2::4])


# Stopped and started again


class Killed(BaseException):
    pass


def test_stopped_before_the_mean_displacement_it_ends_the_same(train, monkeypatch):
    """After the last step, when training.pth is complete and weights.pth is not there."""
    whole, module = train("whole"), importlib.import_module("irn.train")

    def dies(*_):
        raise Killed

    monkeypatch.setattr(module, "find_mean_displacement", dies)
    with pytest.raises(Killed):
        train("parts")
    monkeypatch.undo()
    assert (train("parts") / "weights.pth").read_bytes() == (whole / "weights.pth").read_bytes()


# What its options change


OPTIONS = ["--lr 0.01", "--weight-decay 0.01", "--momentum 0.5", "--crop-size 64", "--scales 1 2", "--radius 3"]
OPTIONS += ["--branch-width 8", "--batch-size 2", "--seed 1", "--output-stride 4", "--depths 2 1 1 1 1"]


def test_each_option_is_heard(train):
    ends = [weights(train(f"run{place}", *option.split())) for place, option in enumerate(["--seed 0", *OPTIONS])]
    assert len({b"".join(tensor.numpy().tobytes() for tensor in each.values()) for each in ends}) == len(OPTIONS) + 1
