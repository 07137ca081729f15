"""Online accumulation of attention: what counts, what stays, what is written."""

import pytest
import torch

from cls.attention import AttentionAccumulator
from common.files.dataset import Item
from common.files.images import read_grey

ITEMS = [Item("a", (1,)), Item("b", (0, 2))]


@pytest.fixture
def accumulator():
    return AttentionAccumulator(ITEMS, classes=3, size=2)


def step(accumulator, maps, image, last_epoch=False):
    """One image with the given class maps, {class: four values}; other classes' maps are -100."""
    full = torch.full((1, 3, 2, 2), -100.0)
    for cls, values in maps.items():
        full[0, cls] = torch.tensor(values).reshape(2, 2)
    labels = torch.zeros(1, 3)
    labels[0, list(ITEMS[image].classes)] = 1
    accumulator.accumulate(full, labels, torch.tensor([image]), last_epoch)


def stored(accumulator, tmp_path):
    accumulator.write(tmp_path / "maps")
    return {path.stem: read_grey(path).ravel().tolist() for path in (tmp_path / "maps").glob("*.png")}


def test_maximum_of_scaled_maps(accumulator, tmp_path):
    step(accumulator, {1: [2.0, 1.0, 0.0, -1.0]}, image=0)
    step(accumulator, {1: [0.0, 4.0, 1.0, 0.0], 0: [9.0] * 4}, image=0)  # class 0 is not the image's own
    assert stored(accumulator, tmp_path) == {"a_1": [255, 255, 64, 0]}  # 63.75 is rounded


def test_the_last_epoch_stores_what_is_still_missing(accumulator, tmp_path):
    improbable = {0: [3.0, -20.0, 0.0, 0.0], 2: [-20.0, 0.0, 0.0, 1.0]}
    step(accumulator, {2: [1.0, 0.0, 0.0, 0.0]}, image=1)
    step(accumulator, improbable, image=1, last_epoch=True)
    assert stored(accumulator, tmp_path) == {"b_0": [255, 0, 0, 0], "b_2": [255, 0, 0, 0]}


def test_a_dead_map_is_zero(accumulator, tmp_path):
    step(accumulator, {1: [-1.0] * 4}, image=0, last_epoch=True)
    assert stored(accumulator, tmp_path) == {"a_1": [0, 0, 0, 0]}


def test_the_last_epoch_knows_what_another_process_stored_after_a_checkpoint(accumulator, monkeypatch, tmp_path):
    accumulator.state_dict()  # a checkpoint merges too, but not what comes after it

    def maximum(tensor):  # by now the other process has stored a dead map of a_1
        if tensor.dim() == 1:
            tensor[accumulator.rows[0, 1]] = 1

    monkeypatch.setattr("cls.attention.distributed.maximum", maximum)
    step(accumulator, {1: [-20.0, -20.0, -20.0, 5.0]}, image=0, last_epoch=True)  # improbable
    assert stored(accumulator, tmp_path) == {"a_1": [0, 0, 0, 0]}
