"""irn.walk and irn.instances as commands: what the network finds in an image, labels and instances.

The reference sees one image at a time; the walk and the grouping have tests of their own.
"""

import os

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import read_indexed, write_grey
from common.files.instances import read_instances
from common.files.maps import map_path
from common.files.preprocess import normalise
from common.training import checkpoint
from irn import walk as irn_walk
from irn.grouping import centroids, detections, groups
from irn.model import build
from irn.network import find
from irn.random_walk import walk
from tests.outputs import contents

ARCH = {"network": "irn", "backbone": "vgg16", "channels": [4, 4, 8, 8, 8], "depths": [1, 1, 1, 1, 1]}
ARCH |= {"batch_norm": True, "output_stride": 4, "branch_width": 4}
HERE = ("--device", "cpu", "--workers", 0)


@pytest.fixture
def data(tiny_data):
    """The tiny data, one image with sides that 4 does not divide, larger than a crop of 48."""
    image = np.random.default_rng(2).integers(0, 256, (11, 17, 3), dtype=np.uint8)
    image = cv2.resize(image, (67, 41), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(image).save(tiny_data / "JPEGImages/d_complex.jpg", quality=95)
    return DataSet(tiny_data)


@pytest.fixture
def maps(data, tmp_path):
    """A folder of maps at stride 4: a bump for each class."""
    (tmp_path / "maps").mkdir()
    rng = np.random.default_rng(1)
    for item in data.split("train"):
        height, width = map_size(data.image_size(item.id))
        for cls in item.classes:
            bump = cv2.resize(rng.random((4, 4), np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
            write_grey(map_path(tmp_path / "maps", item.id, cls), (255 * bump).astype(np.uint8))
    return tmp_path / "maps"


@pytest.fixture
def network(data, tmp_path):
    """`network(crop_size)` writes weights.pth of a network with some clear boundaries and displacements."""

    def write(crop_size):
        torch.manual_seed(0)
        model = build(**ARCH, crop_size=crop_size).eval()
        model.boundary_head.weight.data *= 8
        with torch.no_grad():
            image = torch.tensor(data.image("d_complex")[:32, :64])
            logits, _ = model(normalise(image[None], "torchvision"))
        model.boundary_head.bias.data -= logits.quantile(0.8)
        model.displacement_head.weight.data *= 3
        model.mean_displacement.copy_(torch.tensor([0.7, -0.4]))
        checkpoint.save(tmp_path / "weights.pth", arch=model.arch.to_file(), state_dict=model.state_dict())
        return model

    return write


@pytest.fixture
def command(here, data, maps, tmp_path, monkeypatch):
    """`command("irn.walk", folder, *more)` runs it on one core and returns <tmp_path>/<folder>."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)  # nothing in other processes
    return lambda name, folder, *more: here(name, folder, *words(data, maps, tmp_path), *more)


def words(data, maps, folder):
    return "--data", data.root, "--split", "train", "--maps", maps, "--weights", folder / "weights.pth", *HERE


# The reference


def map_size(size):
    return tuple(-(-side // 4) for side in size)


def found_alone(model, image):
    """Boundary (h, w) and displacement (2, h, w) of an image uint8 (H, W, 3): it and its mirror image, padded."""
    size = image.shape[:2]
    height, width = map_size(size)
    both = normalise(torch.tensor(np.stack([image, image[:, ::-1]])), "torchvision")  # (2, 3, H, W)
    sides = (16 * -(-max(model.arch.crop_size, side) // 16) for side in size)
    bottom, right = (side - own for side, own in zip(sides, size))
    with torch.no_grad():
        boundary, displacement = model(F.pad(both, (0, right, 0, bottom)))
    logits = boundary[:, :height, :width]
    boundary = ((logits[0] + logits[1].flip(1)) / 2).sigmoid()
    return boundary, displacement[0, :, :height, :width]


def scores_alone(maps, item, size):
    """(C', h, w) of maps as in the files, 0 to 1."""
    grey = [cv2.imread(str(map_path(maps, item.id, cls)), cv2.IMREAD_GRAYSCALE) for cls in item.classes]
    return torch.tensor(np.stack(grey)) / 255


def shares_of_largest(scores, size):
    """(N, h, w) -> float32 (N, H, W), the largest 1."""
    large = F.interpolate(scores[None], scale_factor=4, mode="bilinear", align_corners=False)
    large = large[0, :, : size[0], : size[1]]
    return (large / large.max()).numpy()


def label_alone(model, data, maps, item, power=1.3, background=0.25):
    image = data.image(item.id)
    boundary, _ = found_alone(model, image)
    scores = scores_alone(maps, item, image.shape[:2]) ** power
    large = shares_of_largest(walk(scores[None], boundary[None])[0], image.shape[:2])
    values = np.array([0, *(cls + 1 for cls in item.classes)])
    return values[np.concatenate([np.full((1, *image.shape[:2]), background), large]).argmax(0)]


def instances_alone(model, data, maps, item, centre=2.5, background=0.25):
    """Masks, classes and scores, by descending score."""
    image = data.image(item.id)
    boundary, displacement = found_alone(model, image)
    pieces = groups(centroids(displacement[None])[0].numpy(), displacement.numpy(), centre)
    scores = scores_alone(maps, item, image.shape[:2])
    cut = torch.stack([each * torch.tensor(piece) for each in scores for piece in pieces])
    large = shares_of_largest(walk(cut[None], boundary[None])[0], image.shape[:2])
    winner = np.concatenate([np.full((1, *image.shape[:2]), background), large]).argmax(0)
    masks = np.stack([winner == number for number in range(1, len(large) + 1)])
    classes = [cls for cls in item.classes for _ in pieces]
    found = detections(masks, large, np.array(classes))
    order = np.argsort(-found[2], kind="stable")
    return tuple(each[order] for each in found)


# What the network finds


@pytest.mark.parametrize("crop_size", [48, 75])  # some images are larger than the one, and none is than the other
@pytest.mark.parametrize("batch_size", [1, 3])
def test_boundary_and_displacement_are_those_of_an_image_alone(data, maps, network, tmp_path, crop_size, batch_size):
    model = network(crop_size)
    given = (*words(data, maps, tmp_path), "--batch-size", batch_size, "--out", tmp_path / "out")
    args = irn_walk.parser().parse_args([str(word) for word in given])
    items = data.split("train")
    batches, seen = list(find(args, data, items, [False] * 4, torch.device("cpu"))), []
    assert {len(batch.items) for batch in batches} == (
        {1} if batch_size == 1 else {1, 3} if crop_size == 75 else {1, 2}
    )
    for batch in batches:
        for item, size, boundary, displacement in zip(*batch, strict=True):
            expected = found_alone(model, data.image(item.id))
            height, width = map_size(data.image_size(item.id))
            assert size == data.image_size(item.id)
            torch.testing.assert_close(boundary[:height, :width], expected[0], rtol=0, atol=1e-4)
            torch.testing.assert_close(displacement[:, :height, :width], expected[1], rtol=1e-4, atol=1e-4)
            assert (boundary[height:] == 1).all() and (boundary[:, width:] == 1).all()
            assert boundary[:height, :width].std() > 0.05  # else it would say little
            seen.append(item)
    assert sorted(seen) == sorted(items)


# irn.walk


@pytest.mark.parametrize("crop_size, batch_size", [(48, 1), (80, 4)])
def test_labels(data, maps, network, command, crop_size, batch_size):
    """Indexed PNGs of the image's size with its own classes and 0; they don't depend on the batch."""
    model = network(crop_size)
    out = command("irn.walk", "label", "--batch-size", batch_size)
    assert len(contents(out)) == 4
    for item in data.split("train"):
        label = read_indexed(out / f"{item.id}.png")
        expected = label_alone(model, data, maps, item)
        assert label.shape == data.image_size(item.id) and (label == expected).mean() > 0.999
        own = {cls + 1 for cls in item.classes}
        assert set(np.unique(label)) <= {0, *own}
        assert 0 in label and label.any(), "a label of one kind proves less"
    assert len(np.unique(label)) > 2


OPTIONS = {"background": 0.6, "radius": 3, "beta": 2, "exponent": 4}


@pytest.mark.parametrize("name, more", [("irn.walk", {"power": 0.5}), ("irn.instances", {"centre": 1.5})])
def test_each_option_is_heard(network, command, name, more):
    network(80)
    options = {"batch-size": 8} | OPTIONS | more  # the first is the default
    found = [contents(command(name, option, f"--{option}", value)) for option, value in options.items()]
    assert len({tuple(sorted(each.items())) for each in found}) == len(options)


def test_maps_of_another_size_are_resized_and_one_without_a_file_is_0(data, maps, network, command):
    network(80)
    map_path(maps, "c_complex", 1).unlink()
    path = map_path(maps, "a_simple", 0)
    small = np.full((3, 5), 200, np.uint8)
    write_grey(path, small)
    out = command("irn.walk", "label")
    assert set(np.unique(read_indexed(out / "c_complex.png"))) == {0, 1}
    write_grey(path, np.full((12, 16), 200, np.uint8))
    assert contents(command("irn.walk", "again")) == contents(out)
    entries = read_instances(data, command("irn.instances", "instances"), "c_complex")[1]
    assert {entry["class"] for entry in entries} == {0}


# irn.instances


def test_instances(data, maps, network, command):
    model = network(80)
    out = command("irn.instances", "instances", "--batch-size", 4)
    assert len(contents(out)) == 8
    counts = []
    for item in data.split("train"):
        numbers, entries = read_instances(data, out, item.id)
        masks, classes, scores = instances_alone(model, data, maps, item)
        assert [entry["number"] for entry in entries] == list(range(1, len(masks) + 1))
        assert [entry["class"] for entry in entries] == classes.tolist()
        np.testing.assert_allclose([entry["score"] for entry in entries], scores, atol=1e-4)
        expected = (masks * np.arange(1, len(masks) + 1)[:, None, None]).sum(0)
        assert (numbers == expected).mean() > 0.999
        counts.append(len(set(classes.tolist())) / len(masks))
    assert min(counts) < 1, "no class has two instances: the case proves less"


# Both


@pytest.mark.parametrize("name", ["irn.walk", "irn.instances"])
def test_float32_unless_told(network, command, name, monkeypatch):
    """On hardware that is fast at bfloat16, too."""
    monkeypatch.setattr("common.training.device.has_fast_bfloat16", lambda device: True)
    network(48)
    default, exact, mixed = (contents(command(name, *each)) for each in (("a",), ("b", "--no-amp"), ("c", "--amp")))
    assert default == exact != mixed


@pytest.mark.parametrize("name", ["irn.walk", "irn.instances"])
def test_goes_on_where_it_stopped(network, command, tmp_path, name):
    """A batch that lacks none is left out, the others are as they were."""
    lost, kept = ["d_complex", "b_simple"], ["a_simple", "c_complex"]
    network(48)
    whole = contents(command(name, "out", "--batch-size", 2))
    times = [(tmp_path / "out" / f"{id}.png").stat().st_mtime_ns for id in kept]
    for place, id in enumerate(lost):
        path = tmp_path / "out" / f"{id}.png"
        path.write_bytes(path.read_bytes()[:40]) if place else path.unlink()  # or the machine stopped
    assert contents(command(name, "out", "--batch-size", 2)) == whole
    assert [(tmp_path / "out" / f"{id}.png").stat().st_mtime_ns for id in kept] == times
