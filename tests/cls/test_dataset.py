"""The classifier's training images: what an epoch reads, what the next one has of it, the same bits either way."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from cls import squares
from cls.dataset import TrainingImages
from common.files.dataset import DataSet
from common.training import loading
from common.training.loop import ShuffledBatches

SIZE = 32


@pytest.fixture
def training_images(tiny_data):
    """`training_images()` makes those of the tiny data."""
    dataset = DataSet(tiny_data)
    return lambda: TrainingImages(dataset, dataset.split("train"), SIZE, seed=3)


def without_memory(monkeypatch):
    monkeypatch.setattr(squares, "spare_memory", lambda: 0)


def epoch(images, number, workers=0):
    """The images of an epoch, uint8 (4, S, S, 3), in its own order."""
    batches = list(ShuffledBatches(len(images), 3, 6, 3, whole_epochs=True))[2 * number : 2 * number + 2]
    loader = loading.make_loader(images, batches, workers, torch.device("cpu"))
    return torch.cat([batch["image"] for batch in loader])


def test_no_sample_touches_the_random_state(training_images, monkeypatch):
    """A GPU's neither: on one that is not in use yet, each seed would be kept until it is."""
    images, state, seeds = training_images(), torch.get_rng_state(), []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeds.append)
    images[0, 0]
    assert torch.equal(torch.get_rng_state(), state) and not seeds


@pytest.mark.parametrize(("workers", "processes"), [(0, 1), (2, 1), (2, 2)])
def test_an_image_is_read_once(training_images, tiny_data, monkeypatch, workers, processes):
    """Whichever of the workers reads it, the others have it, and make of it what would be made without.

    They are forked or, where the training has several processes, sent the data set.
    """
    monkeypatch.setattr(loading, "distributed", SimpleNamespace(WORLD_SIZE=processes))
    images = training_images()
    with monkeypatch.context() as context:
        without_memory(context)
        plain = training_images()
    expected = [epoch(plain, number) for number in (0, 1)]
    assert torch.equal(epoch(images, 0, workers), expected[0])
    for path in (tiny_data / "JPEGImages").iterdir():
        path.unlink()
    assert torch.equal(epoch(images, 1, workers), expected[1])


def test_what_does_not_fit_is_read_each_time(training_images, tiny_data, monkeypatch):
    need = 4 * SIZE * SIZE * 3
    monkeypatch.setattr(squares, "spare_memory", lambda: need)
    assert training_images().squares is not None
    monkeypatch.setattr(squares, "spare_memory", lambda: need - 1)
    images = training_images()
    before = images[0, 0]["image"]
    Image.new("RGB", (64, 48)).save(tiny_data / "JPEGImages/a_simple.jpg")
    assert not torch.equal(images[0, 0]["image"], before)


@pytest.mark.parametrize("error", [OSError, AttributeError])  # a sandbox, another system
def test_a_system_without_such_memory_does_without(training_images, monkeypatch, error):
    def refused(name):
        raise error

    expected = training_images()[0, 0]["image"]
    monkeypatch.setattr(os, "memfd_create", refused)
    images = training_images()
    assert images.squares is None and torch.equal(images[0, 0]["image"], expected)


def test_an_image_that_was_only_begun_is_made_again():
    """As by a process that was killed: it counts once all of it is there."""
    kept, ones = squares.Squares(2, 4), np.ones((4, 4, 3), np.uint8)

    def half():
        kept.squares[1, :2] = 7
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept.get(1, half)
    assert (kept.get(1, lambda: ones) == 1).all() and not kept.stored[0]
