"""Confusion matrix and the scores computed from it (paper 4.2)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from common.images import IGNORE_INDEX
from stages.files import InputError, read_json

REPORTED = ("mean_iou", "ignored", "false_negative")


def confusion_matrix(truth: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Count pixels by ground truth (row) and prediction (column).

    truth, prediction: uint8 arrays of one shape, 0 to C = `classes`, 255 ignore. Pixels whose truth is 255 are left
    out. Returns int64 (C + 1, C + 2); the last column holds the pixels that the prediction ignores.
    """
    valid = truth != IGNORE_INDEX
    columns = np.where(prediction == IGNORE_INDEX, classes + 1, prediction)[valid].astype(np.int64)
    cells = truth[valid].astype(np.int64) * (classes + 2) + columns
    return np.bincount(cells, minlength=(classes + 1) * (classes + 2)).reshape(classes + 1, classes + 2)


def scores(matrix: np.ndarray) -> dict[str, Any]:
    """Scores of a confusion matrix (C + 1, C + 2), from 0 to 1: {name: float}, and float64 (C + 1,) as `class_iou`.

    IoU and accuracy leave out pixels that the prediction ignores; means are over the classes in the ground truth.
    `ignored` is the share of ignored pixels, `false_negative` that of object pixels predicted as background. A class's
    IoU is 0 if it is only in the prediction, NaN if it is in neither.
    """
    counts = matrix[:, :-1].astype(np.float64)
    hits, truth, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        iou = hits / (truth + predicted - hits)
        recall = hits / truth
        present = truth > 0
        return {
            "mean_iou": iou[present].mean() if present.any() else float("nan"),
            "pixel_accuracy": hits.sum() / truth.sum(),
            "mean_accuracy": recall[present].mean() if present.any() else float("nan"),
            "fw_iou": (truth[present] * iou[present]).sum() / truth.sum(),
            "ignored": matrix[:, -1].sum() / matrix.sum(),
            "false_negative": matrix[1:, 0].sum() / matrix[1:].sum(),
            "class_iou": iou,
        }


def read_scores(path: Path, names: Iterable[str] = REPORTED) -> dict[str, Any]:
    """Read the scores that seg.evaluate wrote, {name: percent, or None for an undefined score, …}.

    Raises InputError unless the file holds all of `names`, for all images and for simple and complex ones.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected the scores of seg.evaluate")
    for scores in (found, *(found[kind] for kind in ("simple", "complex") if kind in found)):
        for name in names:
            if not isinstance(scores, dict) or not isinstance(scores.get(name, ""), (int, float, type(None))):
                raise InputError(f"{path}: expected the scores of seg.evaluate, {name} among them")
    return found
