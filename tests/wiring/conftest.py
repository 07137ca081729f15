"""Of the tests of the wiring: a data set, a way to run a command in this process, the comparison of two trainings."""

import importlib
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

IMAGES = {  # id: ((height, width), 0-based classes as in the list), sides that no scale divides
    "river": ((45, 61), "1"),
    "attic": ((53, 37), "0 2"),
    "meadow": ((31, 74), "2"),
    "bridge": ((58, 59), "2 0 1"),
    "valley": ((39, 43), "0"),
    "quarry": ((67, 46), "1 2"),
    "harbour": ((53, 37), "0 1"),
}
VAL = {"spire": ((49, 38), "1"), "orchard": ((36, 57), "0 2")}
PALETTE = [value for i in range(256) for value in (i, 255 - i, i // 2)]


def write_labels(folder, sizes, rng):
    """Labels <id>.png of small blocks of 0 to 3 and 255, so that an interpolated one is another."""
    folder.mkdir(parents=True, exist_ok=True)
    for id, size in sizes.items():
        blocks = rng.choice([0, 1, 2, 3, 255], (9, 9), p=[0.4, 0.15, 0.15, 0.15, 0.15]).astype(np.uint8)
        write_label(folder / f"{id}.png", cv2.resize(blocks, size[::-1], interpolation=cv2.INTER_NEAREST))


def write_label(path, label):
    image = Image.fromarray(label)
    image.putpalette(PALETTE)
    image.save(path)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data set of 7 + 2 images with saliency and ground truth, and `labels`, other labels of the training images."""
    root, rng = tmp_path_factory.mktemp("wiring") / "data", np.random.default_rng(5)
    for name in ("JPEGImages", "saliency", "lists"):
        (root / name).mkdir(parents=True)
    (root / "classes.txt").write_text("disc\nsquare\nbar\n")
    for split, images in (("train", IMAGES), ("val", VAL)):
        (root / "lists" / f"{split}.txt").write_text("".join(f"{id} {own}\n" for id, (_, own) in images.items()))
        for id, (size, _) in images.items():
            coarse = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
            image = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC) // 4 * 3
            image = image + rng.integers(0, 64, image.shape, dtype=np.uint8)
            Image.fromarray(image).save(root / "JPEGImages" / f"{id}.jpg", quality=95)
            saliency = cv2.resize(rng.integers(0, 256, (4, 4), dtype=np.uint8), size[::-1])
            Image.fromarray(saliency).save(root / "saliency" / f"{id}.png")
    write_labels(root / "SegmentationClass", {id: size for id, (size, _) in (IMAGES | VAL).items()}, rng)
    write_labels(root / "labels", {id: size for id, (size, _) in IMAGES.items()}, rng)
    write_label(root / "labels" / "valley.png", np.full(IMAGES["valley"][0], 255, np.uint8))
    return root


@pytest.fixture(scope="session")
def stage(data):
    """`stage("cls.train", "--out", path, …)` runs a command on the training images in this process; returns --out."""

    def run(name, *arguments, split="train"):
        module = importlib.import_module(name)
        command = ["--data", data, "--split", split, *arguments]
        args = module.parser().parse_args([str(argument) for argument in command])
        args.out.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(12345)  # nothing may depend on what came before
        with pytest.MonkeyPatch.context() as patch:  # on one core everything stays in this process, which is faster
            patch.setattr(os, "sched_getaffinity", lambda process: {0}, raising=False)
            module.run(args)
        return args.out

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # networks are too small to share
    yield run
    torch.set_num_threads(threads)


def weights(folder: Path):
    """The tensors of <folder>/weights.pth by their published names."""
    state = torch.load(folder / "weights.pth", weights_only=True)["state_dict"]
    return {name.removeprefix("base."): tensor for name, tensor in state.items()}


def assert_trained_alike(found, expected, initial):
    """Two trainings from the same start have the same end: each tensor, compared with how far it came."""
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        if not tensor.is_floating_point():
            assert torch.equal(found[name], tensor), name
            continue
        way = (tensor - initial[name]).abs().max()
        error = (found[name] - tensor).abs().max()
        assert error <= 1e-4 * way + 1e-8, f"{name}: differs by {error:.2e} after a way of {way:.2e}"


def snapshot(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}
