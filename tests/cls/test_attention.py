"""Online accumulation of attention at its ends; tests/wiring compares that of whole trainings."""

import pytest
import torch

from cls.attention import AttentionAccumulator
from common.files.dataset import Item
from common.files.images import read_grey


@pytest.fixture
def accumulator():
    return AttentionAccumulator([Item("a", (1,))], classes=3, size=2)


def step(accumulator, values):
    """The image in the last epoch, with these four values as the map of its class; those of other classes are -100."""
    maps = torch.full((1, 3, 2, 2), -100.0)
    maps[0, 1] = torch.tensor(values).reshape(2, 2)
    accumulator.accumulate(maps, torch.tensor([[0.0, 1, 0]]), torch.tensor([0]), True)


def stored(accumulator, tmp_path):
    accumulator.write(tmp_path / "maps")
    return {path.stem: read_grey(path).ravel().tolist() for path in (tmp_path / "maps").glob("*.png")}


def test_a_dead_map_is_zero(accumulator, tmp_path):
    step(accumulator, [-1.0] * 4)
    assert stored(accumulator, tmp_path) == {"a_1": [0, 0, 0, 0]}


def test_the_last_epoch_knows_what_another_process_stored_after_a_checkpoint(accumulator, monkeypatch, tmp_path):
    accumulator.state_dict()  # a checkpoint merges too, but not what comes after it

    def maximum(tensor):  # by now the other process has stored a dead map of a_1
        if tensor.dim() == 1:
            tensor[accumulator.rows[0, 1]] = 1

    monkeypatch.setattr("cls.attention.distributed.maximum", maximum)
    step(accumulator, [-20.0, -20.0, -20.0, 5.0])  # improbable
    assert stored(accumulator, tmp_path) == {"a_1": [0, 0, 0, 0]}
