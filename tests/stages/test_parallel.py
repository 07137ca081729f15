"""stages.parallel: every item once, in order, whatever is sent to a process at once; a generator is not run ahead."""

import time

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from stages import interruption
from stages.files import InputError
from stages.parallel import Memory, _chunks, for_each, machine_memory


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


def stay(place_and_number):
    """Works for a moment; returns how many others did so at the same time, itself among them."""
    place, number = place_and_number
    mine = place / str(number)
    mine.touch()
    time.sleep(0.05)
    found = len(list(place.iterdir()))
    mine.unlink()
    return found


@pytest.mark.parametrize(("limit", "most"), [(0.5, 1), (1, 1), (2.5, 2), (100, 4)])
@pytest.mark.parametrize("kind", [iter, list])
def test_as_many_work_at_once_as_fit_into_the_memory(tmp_path, kind, limit, most):
    items = [(tmp_path, number) for number in range(16)]
    found = list(for_each(stay, kind(items), 4, "test", 16, Memory(limit, lambda item: 1)))
    assert len(found) == 16 and max(found) == most


def test_a_large_item_works_alone(tmp_path):
    items = [(tmp_path, number) for number in range(12)]
    found = list(for_each(stay, iter(items), 3, "test", 12, Memory(3, lambda item: 1 + 2 * (item[1] == 6))))
    assert found[6] == 1 and max(found) > 1


def test_processes_of_other_ranks_take_their_share(tmp_path, monkeypatch):
    monkeypatch.setattr("stages.distributed.LOCAL_WORLD_SIZE", 2)
    items = [(tmp_path, number) for number in range(8)]
    assert max(for_each(stay, iter(items), 4, "test", 8, Memory(2, lambda item: 1))) == 1


def test_exceptions_are_raised_where_memory_is_short():
    with pytest.raises(InputError, match="77: not a number"):
        list(for_each(negative, iter(range(200)), 2, "test", 200, Memory(1, lambda item: 1)))


def test_a_containers_limit_counts(tmp_path, monkeypatch):
    limits = [tmp_path / "memory.max", tmp_path / "memory.limit_in_bytes"]
    monkeypatch.setattr("stages.parallel.CONTAINER_LIMITS", limits)
    whole = machine_memory()
    assert whole > 2**28
    limits[0].write_text("max\n")
    limits[1].write_text(f"{2**63 - 4096}\n")
    assert machine_memory() == whole
    limits[0].write_text("1073741824\n")
    assert machine_memory() == min(2**30, whole)


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
