"""Score a network on a split while it is trained, or from a notebook."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from common.files.dataset import DataSet
from common.files.photographs import Photograph
from evaluate.scores import confusion_matrix, percentages
from seg.dataset import WholeImages, load_whole
from seg.deeplab import MultiScale
from seg.inference import outputs_of
from stages import distributed
from stages.files import InputError


def evaluate(
    network: MultiScale,
    dataset: DataSet,
    split: str,
    device: torch.device,
    batch_size: int = 8,
    workers: int = 0,
    amp: bool | None = None,
) -> dict[str, Any]:
    """Score the network's labels, without CRF, against the ground truth of a split.

    `network` is on the device; it runs in eval mode and comes back in the mode that it had. Returns the scores in
    percent that evaluate.labels gives all images for the labels of seg.predict, `mean_iou` among them. A collective
    call: each process labels its share. Raises InputError if a mask is missing or unusable, or all of them are 255.
    """
    items = distributed.shard(dataset.split(split))
    images = WholeImages(dataset, [Photograph(item.id, dataset.image_path(item.id)) for item in items])
    matrix = np.zeros((len(dataset.classes) + 1, len(dataset.classes) + 2), np.int64)
    training, benchmark = network.training, torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = False  # which tries all algorithms for each new size
    network.eval()
    try:
        loader = load_whole(images, batch_size, workers, device, network.smallest_side())
        for output in outputs_of(network, loader, device, amp):
            matrix += confusion_matrix(dataset.ground_truth(output.key.id), output.label(None), len(dataset.classes))
    finally:
        network.train(training)
        torch.backends.cudnn.benchmark = benchmark
    total = sum(distributed.gather(matrix))
    if not total.any():
        raise InputError(f"{dataset.root / 'SegmentationClass'}: expected a pixel of {split} that is not 255")
    return percentages(total, dataset.classes)


def check_truth(dataset: DataSet, split: str) -> None:
    """Check that each image of a split has a mask. Raises InputError that names the first that has none."""
    for item in dataset.split(split):
        if not dataset.ground_truth_path(item.id).exists():
            raise InputError(f"{dataset.ground_truth_path(item.id)}: no such file, expected one for --val-every")
