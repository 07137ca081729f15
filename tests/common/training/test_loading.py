"""Batches of one size, and worker processes under torchrun."""

import os
import signal
import time
from multiprocessing import forkserver

import torch
from torch.utils.data import TensorDataset

from common.training.loading import batches_of_one_size, in_order, make_loader
from stages import distributed


def test_workers_outlive_a_sigterm_to_the_whole_group(monkeypatch):
    """torchrun sends it to each of several processes and what it has started; a checkpoint is still to be written."""
    monkeypatch.setattr(distributed, "WORLD_SIZE", 2)
    found = []
    for (number,) in make_loader(TensorDataset(torch.arange(8)), in_order(8, 1), 1, torch.device("cpu")):
        found.append(int(number))
        if len(found) == 1:
            os.kill(forkserver._forkserver._forkserver_pid, signal.SIGTERM)
            time.sleep(0.5)
    assert found == [*range(8)]
    forkserver._forkserver._stop()


def test_batches_hold_one_size_each_index_once_and_come_as_soon_as_they_are_full():
    read = []
    sizes = (read.append(size) or size for size in [(2, 3), (3, 2), (2, 3), (2, 3), (3, 2), (2, 3), (2, 2), (2, 3)])
    batches = batches_of_one_size(sizes, 2)
    assert next(batches) == [0, 2] and len(read) == 3
    assert list(batches) == [[1, 4], [3, 5], [6], [7]]
    done = [True, False, True, True, True, True, True, False]
    assert list(batches_of_one_size(read, 2, done)) == [[1, 4], [7]]  # a batch with one that is not done is whole
