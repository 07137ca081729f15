"""Data loading in worker processes, ahead of the network."""

import multiprocessing
import signal
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from multiprocessing import forkserver, resource_tracker
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, default_collate

from stages import distributed, interruption


def make_loader(
    dataset: Dataset,
    batches: Iterable[Sequence[Any]],
    workers: int,
    device: torch.device,
    collate: Callable[[list], Any] = default_collate,
) -> DataLoader:
    """Make a DataLoader over given `batches` of the data set's indices; an empty batch gives None.

    It has a generator of its own, so that its start does not change the random state that a checkpoint has restored.
    OpenCV's threads end in this process: a forked worker would wait for them for ever.
    """
    if workers:
        import cv2

        cv2.setNumThreads(1)
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=partial(_unless_empty, collate),
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),
        worker_init_fn=_start_worker,
        multiprocessing_context=_context() if workers else None,
    )


def in_order(count: int, batch_size: int) -> list[range]:
    """Batches of the indices 0 to count - 1 in their order; the last one may be smaller."""
    return [range(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]


def batches_of_one_size(
    sizes: Iterable[tuple[int, int]], batch_size: int, done: Sequence[bool] | None = None
) -> Iterator[list[int]]:
    """Yield lists of at most `batch_size` indices into `sizes`, an iterable of (H, W); the sizes in a list are equal.

    Each index comes once. A list is yielded as soon as it is full, so `sizes` may be a generator that reads files; the
    incomplete lists, at most one a size, come last. Lists whose indices are all `done` are left out; the others are
    those of an uninterrupted run, because rounding depends on the composition of a batch.
    """

    def is_needed(batch: list[int]) -> bool:
        return not (done and all(done[index] for index in batch))

    buckets = defaultdict(list)
    for index, size in enumerate(sizes):
        buckets[size].append(index)
        if len(buckets[size]) == batch_size:
            yield from filter(is_needed, [buckets.pop(size)])
    yield from filter(is_needed, buckets.values())


def _context():
    """Start method of worker processes: no fork of one of several processes, in which NCCL and gloo may hang."""
    if distributed.WORLD_SIZE == 1:
        return multiprocessing.get_context("fork")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["common.training.loading"])  # PyTorch is imported once for all workers
    # torchrun and Slurm send SIGTERM to the forkserver too, and workers end with it, while a checkpoint is still to be
    # written. The tracker comes first, because it unblocks the signal when it starts.
    resource_tracker.ensure_running()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    forkserver.ensure_running()
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    return context


def _unless_empty(collate, samples):
    """Collate samples; None of none."""
    return collate(samples) if samples else None


def _start_worker(*_):
    """Start a worker with one thread: OpenCV's, like PyTorch's, would compete with the other workers for the cores."""
    import cv2

    interruption.start_worker()
    cv2.setNumThreads(1)
