"""Confusion matrix and the scores computed from it (paper 4.2)."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.files.images import IGNORE_INDEX
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


def to_percent(value: float) -> float | None:
    """Percent to two places; None, JSON's null, for NaN."""
    return None if np.isnan(value) else round(100 * float(value), 2)


def percentages(matrix: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
    """Scores of a confusion matrix (C + 1, C + 2) in percent, as in scores.json."""
    result = scores(matrix)
    per_class = {name: to_percent(value) for name, value in zip(["background", *classes], result.pop("class_iou"))}
    return {name: to_percent(value) for name, value in result.items()} | {"class_iou": per_class}


def image_iou(matrix: np.ndarray) -> np.ndarray:
    """IoU of each class in a single image, 0 to 1: float64 (C + 1,), of its confusion matrix (C + 1, C + 2).

    NaN for classes that the truth does not hold. A pixel that only the prediction ignores is missed, or an image could
    gain by ignoring.
    """
    hits, truth, predicted = matrix.diagonal(), matrix.sum(1), matrix[:, :-1].sum(0)
    return np.where(truth > 0, hits / np.maximum(truth + predicted - hits, 1), np.nan)


def image_miou(truth: np.ndarray, prediction: np.ndarray, classes: int) -> float:
    """The mIoU of one image in percent, the mean of `image_iou` over the classes, background included, of its truth.

    truth, prediction: uint8 (H, W), 0 to C = `classes`, 255 ignore. Pixels whose truth is 255 do not count. The truth
    must not be 255 all over.
    """
    return 100 * float(np.nanmean(image_iou(confusion_matrix(truth, prediction, classes))))


def read_scores(path: Path, names: Iterable[str] = REPORTED) -> dict[str, Any]:
    """Read the scores that evaluate.labels wrote, {name: percent, or None for an undefined score, …}.

    Raises InputError unless all of `names` are there, for all images and for simple and complex ones, of class maps at
    each threshold, and all numbers are finite.
    """
    found, names = read_json(path), list(names)
    for scores in _parts(found):
        if not isinstance(scores, dict) or not all(name in scores and _is_score(scores[name]) for name in names):
            raise InputError(f"{path}: expected the scores of evaluate.labels, {', '.join(names)} among them")
        classes = scores.get("class_iou", {})
        if not (isinstance(classes, dict) and all(map(_is_score, [scores.get("images"), *classes.values()]))):
            raise InputError(f"{path}: expected the scores of evaluate.labels, finite numbers by name")
    of_maps = [found[key] for key in ("fixed",) if key in found] + found.get("thresholds", [])
    of_maps += [found] if of_maps or "threshold" in found else []
    if not all(type(part.get("threshold")) in (int, float) and math.isfinite(part["threshold"]) for part in of_maps):
        raise InputError(f"{path}: expected the scores of evaluate.labels, each with its threshold")
    return found


def by_threshold(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The scores in a report of evaluate.labels: of labels {"": scores}, of maps {"best": …}, {"fixed": …} or both.

    "best" is at the threshold that is best on the ground truth of these scores, "fixed" at one chosen without it.
    """
    if "threshold" not in found:
        return {"": found}
    if found.get("chosen") == "fixed":
        return {"fixed": found}
    return {"best": found} | ({"fixed": found["fixed"]} if "fixed" in found else {})


def _is_score(value):
    return value is None or type(value) in (int, float) and math.isfinite(value)


def _parts(found):
    """The parts of a report that should be scores: of all images, of simple and of complex ones, at each threshold."""
    if not isinstance(found, dict):
        return [found]
    thresholds = found.get("thresholds", [])
    nested = [found[key] for key in ("simple", "complex", "fixed") if key in found]
    nested += thresholds if isinstance(thresholds, list) else [None]
    return [found, *(part for each in nested for part in _parts(each))]
