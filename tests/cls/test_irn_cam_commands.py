"""cls.train --backbone resnet50 and cls.infer with what it writes: crops, schedule, maps in the images' own shape."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from cls.dataset import ClassificationCrops
from cls.infer import load_network
from cls.irn_cam import IRNClassifier
from cls.train import parser, resolve
from common.files.dataset import DataSet
from common.files.images import read_grey
from common.files.preprocess import normalise
from tests.outputs import scalars

SMALL = ("--backbone", "resnet50", "--blocks", 1, 1, 1, 1, "--width", 4, "--epochs", 2, "--batch-size", 3)
PUBLISHED = ("--lr", 0.1, "--momentum", 1e-4, "--no-nesterov", "--schedule", "poly", "--save-every", 1)
HERE = ("--device", "cpu", "--workers", 0, "--no-amp")
SIZES = {"a_simple": (48, 64), "b_simple": (64, 48), "c_complex": (48, 64), "d_complex": (40, 56)}


@pytest.fixture
def run(here, tiny_data):
    return lambda module, folder, *more: here(module, folder, "--data", tiny_data, "--split", "train", *HERE, *more)


@pytest.fixture
def weights(run):
    return run("cls.train", "cls", *SMALL, *PUBLISHED, "--crop-size", 64) / "weights.pth"


def test_training_on_crops_accumulates_nothing_and_its_rate_falls_at_every_step(weights):
    assert not (weights.parent / "attention").exists()
    rates = scalars(weights.parent)["lr"]
    assert rates == pytest.approx({step: 0.1 * (1 - step / 4) ** 0.9 for step in range(4)})
    network, input_size = load_network(weights)
    assert network.arch.glore is False and network.arch.input_size is input_size is None


def test_the_network_sees_zeros_around_an_image(run, monkeypatch):
    seen, forward = [], IRNClassifier.forward
    monkeypatch.setattr(IRNClassifier, "forward", lambda self, x: forward(self, seen.append(x) or x))
    run("cls.train", "cls", *SMALL, "--crop-size", 64, "--long-side", 32, 32)
    around = (torch.cat(seen) == 0).all(1).sum((1, 2))
    assert len(around) == 8 and (around >= 64 * 64 - 32 * 32).all() and (around < 64 * 64 - 500).all()


def test_glore_and_attention_where_they_are_asked_for(run):
    out = run("cls.train", "cls", *SMALL, "--glore", "--nodes", 2, "--input-size", 64)
    network, input_size = load_network(out / "weights.pth")
    assert network.arch.glore and input_size == 64
    assert {read_grey(path).shape for path in (out / "attention").iterdir()} == {(4, 4)}


OPTIONS = ["--momentum 0.9 --nesterov", "--momentum 0.9", "--schedule steps", "--crop-size 80", "--long-side 40 50"]


def test_each_option_is_heard(run):
    start = (*SMALL, "--lr", 0.1, "--momentum", 1e-4, "--no-nesterov", "--schedule", "poly", "--crop-size", 64)
    ends = [
        (run("cls.train", f"run{place}", *start, "--long-side", 40, 80, *option.split()) / "weights.pth").read_bytes()
        for place, option in enumerate(["--seed 0", *OPTIONS])
    ]
    assert len(set(ends)) == len(OPTIONS) + 1


def test_the_defaults_are_crops_of_512_without_glore():
    needed = ["--data", "x", "--split", "x", "--out", "x"]
    found = resolve(parser().parse_args([*needed, "--backbone", "resnet50"]))
    assert found == {"network": "irn_cam", "glore": False, "crop_size": 512, "input_size": None}


@pytest.mark.parametrize("long_side, size", [(32, (24, 32)), (96, (72, 96))])
def test_crops(tiny_data, long_side, size):
    """Pillow's bicubic in the image's own shape, at all places of a crop of 64, mirrored in half of them."""
    dataset = DataSet(tiny_data)
    items = [item for item in dataset.split("train") if item.id == "c_complex"]
    crops = ClassificationCrops(dataset, items, 64, (long_side, long_side), seed=0)
    image = np.asarray(Image.fromarray(dataset.image("c_complex")).resize(size[::-1], Image.BICUBIC))
    places, mirrored = set(), 0
    for position in range(60):
        sample = crops[position, 0]
        top, left, bottom, right = sample["rectangle"].tolist()
        part = sample["image"][top:bottom, left:right].numpy()
        assert part.shape[:2] == tuple(min(side, 64) for side in size) and sample["label"].tolist() == [1, 1, 0]
        assert sample["image"].sum(dtype=int) == part.sum(dtype=int)  # nothing is outside
        found = [
            (flip, y, x)
            for flip, whole in enumerate((image, image[:, ::-1]))
            for y in range(size[0] - part.shape[0] + 1)
            for x in range(size[1] - part.shape[1] + 1)
            if np.array_equal(whole[y : y + part.shape[0], x : x + part.shape[1]], part)
        ]
        ((flip, y, x),) = found
        mirrored += flip
        places.add((top, left, y, x))
    ends = [max(side - 64, 64 - side) for side in size]
    rows, columns = ({sum(place[axis::2]) for place in places} for axis in (0, 1))
    assert 15 < mirrored < 45 and len(places) > 40
    assert max(rows) <= ends[0] and max(columns) <= ends[1] and max(rows) - min(rows) > ends[0] * 0.6


def plain_maps(weights, dataset, id, size, whole):
    """Sums of rectified maps of two scales and flips at two sizes, float32 (C, …), one image and scale at a time."""
    network, _ = load_network(weights)
    image, sums = Image.fromarray(dataset.image(id)), []
    for scale in (1, 0.5):
        resized = image.resize([round(scale * side) for side in image.size], Image.BICUBIC)
        batch = normalise(torch.from_numpy(np.array(resized))[None], "torchvision")
        with torch.no_grad():
            sums += [network(batch).relu(), network(batch.flip(3)).relu().flip(3)]
    return [sum(interpolate(each, to, mode="bilinear") for each in sums)[0] for to in (size, whole)]


def test_maps_have_the_images_shape(run, weights, tiny_data):
    """PNGs a quarter of its size; .npy also its size, of what the network sees of it and beyond."""
    options = ("--weights", weights, "--scales", 1, 0.5, "--flip", "--batch-size", 2)
    greys, floats = run("cls.infer", "grey", *options), run("cls.infer", "float", *options, "--dump-float")
    dataset = DataSet(tiny_data)
    assert sorted(path.name for path in floats.iterdir()) == sorted(f"{id}.npy" for id in SIZES)
    seen = 0
    for item in dataset.split("train"):
        height, width = SIZES[item.id]
        size, whole = (height // 4, width // 4), tuple(-(-side // 16) * 16 for side in (height, width))
        cam, high = plain_maps(weights, dataset, item.id, size, whole)
        high = high[:, :height, :width]
        content = np.load(floats / f"{item.id}.npy", allow_pickle=True).item()
        assert content["keys"].tolist() == list(item.classes)
        for place, cls in enumerate(item.classes):
            for found, total in ((content["cam"], cam), (content["high_res"], high)):
                np.testing.assert_allclose(found[place], total[cls] / (total[cls].max() + 1e-5), atol=1e-5)
            expected = (cam[cls] / (cam[cls].max() + 1e-8) * 255).numpy()
            np.testing.assert_allclose(read_grey(greys / f"{item.id}_{cls}.png"), expected, atol=1.01)
            seen += cam[cls].max() > 0
    assert seen > 3


def test_dumps_go_on_where_they_stopped(run, weights):
    options = ("--weights", weights, "--dump-float", "--batch-size", 2)
    path = run("cls.infer", "float", *options) / "c_complex.npy"
    whole, other = np.load(path, allow_pickle=True).item(), path.with_name("b_simple.npy")
    path.write_bytes(path.read_bytes()[:-40])
    time = other.stat().st_mtime_ns
    run("cls.infer", "float", *options)
    found = np.load(path, allow_pickle=True).item()  # not the same bytes: tensors are pickled with their addresses
    assert all(np.array_equal(found[name], whole[name]) for name in ("keys", "cam", "high_res"))
    assert other.stat().st_mtime_ns == time


def test_squares_are_dumped_at_the_images_size(run, weights):
    out = run("cls.infer", "squares", "--weights", weights, "--dump-float", "--input-size", 64)
    content = np.load(out / "d_complex.npy", allow_pickle=True).item()
    assert content["cam"].shape == (3, 10, 14) and content["high_res"].shape == (3, 40, 56)
