"""Reading images in processes of their own, ahead of the network."""

import multiprocessing

import torch
from torch.utils.data import DataLoader, default_collate

from common import distributed, interruption


def make_loader(dataset, batches, workers, device, collate=default_collate):
    """A DataLoader over ready-made batches of indices; an empty one gives None. Its workers live as long as it does.

    Its generator is its own, so that starting it does not move the random state that a checkpoint has restored.
    """
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_UnlessEmpty(collate),
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),
        worker_init_fn=_start_worker,
        multiprocessing_context=_context() if workers else None,
    )


def _context():
    """How worker processes start. One of several processes of a stage must not be forked: NCCL and gloo may hang."""
    if distributed.WORLD_SIZE == 1:
        return None
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["common.loading"])  # PyTorch is imported once for all workers
    return context


class _UnlessEmpty:
    """A collate function that makes None of nothing; a class, because other processes have to receive it."""

    def __init__(self, collate):
        self.collate = collate

    def __call__(self, samples):
        return self.collate(samples) if samples else None


def _start_worker(*_):
    """The processes are the parallelism; OpenCV's threads, like PyTorch's, would only fight over the cores."""
    import cv2

    interruption.start_worker()
    cv2.setNumThreads(1)
