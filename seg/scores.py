"""Confusion matrix and the scores that come out of it (paper 4.2)."""

import numpy as np

from common.files import IGNORE_INDEX, InputError, read_json

REPORTED = ("mean_iou", "ignored", "false_negative")


def confusion_matrix(truth, prediction, classes):
    """Counts pixels by ground truth (row) and prediction (column).

    truth, prediction: uint8 arrays of one shape, 0 to C = `classes`, 255 ignore. Pixels whose truth is 255 do not count.
    Returns int64 (C + 1, C + 2); the last column holds the pixels that the prediction ignores.
    """
    valid = truth != IGNORE_INDEX
    columns = np.where(prediction == IGNORE_INDEX, classes + 1, prediction)[valid].astype(np.int64)
    cells = truth[valid].astype(np.int64) * (classes + 2) + columns
    return np.bincount(cells, minlength=(classes + 1) * (classes + 2)).reshape(classes + 1, classes + 2)


def scores(matrix):
    """The scores of a confusion matrix, as shares from 0 to 1.

    IoU and accuracy are over the pixels that the prediction does not ignore, means over classes that the truth holds.
    `ignored` is the share of pixels that are; `false_negative` the share of all object pixels predicted as background.
    A class's IoU is 0 where only the prediction holds it, NaN where nothing does.
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


def read_scores(path, names=REPORTED):
    """The scores that seg.evaluate wrote, {name: percent, or None where there is none, …}.

    Raises InputError if the file is not one of those, with all of `names` in it, for simple and complex images too.
    """
    found = read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path}: expected the scores of seg.evaluate")
    for scores in (found, *(found[kind] for kind in ("simple", "complex") if kind in found)):
        for name in names:
            if not isinstance(scores, dict) or not isinstance(scores.get(name, ""), (int, float, type(None))):
                raise InputError(f"{path}: expected the scores of seg.evaluate, {name} among them")
    return found
