"""Instances of an image as files: <folder>/<id>.png and <id>.json.

The PNG is indexed and of the image's size: 0 none, 1..N an instance each. The JSON lists them by descending score:
[{"number": 1, "class": 4, "score": 0.9935}, …], the class 0-based as in the lists.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from common.files.dataset import DataSet
from common.files.images import IGNORE_INDEX, read_indexed, write_indexed
from stages.files import InputError, read_json, write_json

MOST = 254  # instances of an image, as many as a PNG has numbers beside 0 and 255


def write_instances(out: Path, id: str, masks: np.ndarray, classes: Sequence[int], scores: Sequence[float]) -> None:
    """Write the instances of image `id`: where the PNG is complete, so is the JSON.

    masks: bool (N, H, W), which do not overlap; classes: N of 0 to C - 1; scores: N finite numbers. Instances without
    a pixel are left out, and of more than 254 those of the lowest scores.
    """
    order = np.argsort(-np.asarray(scores, np.float64), kind="stable")
    visible = [index for index in order if masks[index].any()][:MOST]
    numbers, entries = np.zeros(masks.shape[1:], np.uint8), []
    for number, index in enumerate(visible, start=1):
        numbers[masks[index]] = number
        entries.append({"number": number, "class": int(classes[index]), "score": float(scores[index])})
    write_json(out / f"{id}.json", entries)
    write_indexed(out / f"{id}.png", numbers)


def read_instances(dataset: DataSet, folder: Path, id: str) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Read the instances of image `id`: their numbers, uint8 (H, W), and the entries of the JSON in its order.

    Raises InputError if a file is missing or unusable, the PNG is not of the image's size, an entry is not one of a
    class of the data set and a finite score, or PNG and JSON have not the same numbers.
    """
    path, picture = folder / f"{id}.json", folder / f"{id}.png"
    entries = read_json(path)
    if not isinstance(entries, list):
        raise InputError(f"{path}: expected a list of instances")
    for place, entry in enumerate(entries, start=1):
        if fault := _fault(entry, len(dataset.classes)):
            raise InputError(f"{path} entry {place}: expected {fault}")
    listed = [entry["number"] for entry in entries]
    if len(set(listed)) < len(listed):
        raise InputError(f"{path}: expected every number once")

    numbers = dataset.same_size(read_indexed(picture), picture, id)
    drawn = set(np.unique(numbers).tolist()) - {0}
    if missing := set(listed) - drawn:
        raise InputError(f"{picture}: expected pixels of number {min(missing)}, which {path.name} lists")
    if missing := drawn - set(listed):
        raise InputError(f"{path}: expected an entry of number {min(missing)}, which {picture.name} shows")
    return numbers, entries


def _fault(entry, classes):
    """The expectation that an entry of the JSON does not meet, or None."""
    entry = entry if isinstance(entry, dict) else {}
    number, cls, score = (entry.get(key) for key in ("number", "class", "score"))
    if not (type(number) is int and 1 <= number <= MOST):
        return f"an object with a number from 1 to {MOST}"
    if not (type(cls) is int and 0 <= cls < classes):
        return f"a class from 0 to {classes - 1}"
    if not (type(score) in (int, float) and abs(score) <= sys.float_info.max):  # NaN is not, either
        return "a finite score"
    return None


def classes_beneath(instances: np.ndarray, truth: np.ndarray) -> dict[int, list[int]]:
    """{number: the values of `truth` that its pixels have, ascending and without 255}, for the objects of an image.

    instances: uint8 (H, W), 0 none, 1 to 254 an object each, 255 ignore; truth: uint8 (H, W), 0 background, 1 to C, 255
    ignore. Where both belong together, each object has one value, not 0, or none if all of it is ignored.
    """
    pairs = np.unique(instances.astype(np.uint16) * 256 + truth)
    numbers = set((pairs // 256).tolist()) - {0, IGNORE_INDEX}
    return {
        number: [int(pair % 256) for pair in pairs if pair // 256 == number and pair % 256 != IGNORE_INDEX]
        for number in sorted(numbers)
    }
