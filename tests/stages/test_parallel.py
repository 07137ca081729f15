"""stages.parallel: every item once, in order, whatever is sent to a process at once; a generator is not run ahead."""

import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from stages import interruption
from stages.files import InputError
from stages.parallel import _chunks, for_each


def negative(number):
    time.sleep(0.002 * (number % 3))  # so that the processes overtake each other
    if number == 77:
        raise InputError("77: not a number")
    return -number


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("count", [0, 1, 70])
def test_results_are_in_order(workers, count):
    expected = [-number for number in range(count)]
    assert list(for_each(negative, list(range(count)), workers, "test")) == expected
    assert list(for_each(negative, (number for number in range(count)), workers, "test", count)) == expected


@pytest.mark.parametrize("workers", [1, 2])
def test_exceptions_are_raised_here(workers):
    with pytest.raises(InputError, match="77: not a number"):
        list(for_each(negative, list(range(200)), workers, "test"))


def test_generators_are_a_few_items_ahead():
    drawn = []
    items = (drawn.append(number) or number for number in range(70))
    for done, _ in enumerate(for_each(negative, items, 2, "test", 70), start=1):
        assert len(drawn) <= done + 8


@pytest.mark.parametrize("items", [list(range(1000)), range(30), (5, 6), []])
def test_chunks_of_a_list(items):
    chunks = list(_chunks(items, workers=2))
    assert [item for chunk in chunks for item in chunk] == list(items)
    assert all(1 <= len(chunk) <= 8 for chunk in chunks)
    assert len(chunks) >= min(len(items), 10)  # enough for all processes


def test_arrays_of_a_generator_go_one_by_one():
    assert [len(chunk) for chunk in _chunks((np.zeros(2) for _ in range(5)), workers=2)] == [1] * 5


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_loaders_process_lives_as_long_as_its_parent(method):
    data = TensorDataset(torch.arange(3))
    options = {"multiprocessing_context": method, "worker_init_fn": interruption.start_worker, "prefetch_factor": 1}
    found = []
    for (number,) in DataLoader(data, 1, num_workers=1, **options):
        found.append(int(number))
        time.sleep(0.7)  # the process looks after its parent in between
    assert found == [0, 1, 2]
