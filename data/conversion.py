"""One image of a folder on its way into a data set: its photograph, saliency map and ground truth."""

from pathlib import Path
from shutil import copyfile
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import IGNORE_INDEX, is_complete, read_indexed, write_grey, write_indexed
from common.files.photographs import (
    fitted,
    opened,
    photograph_size,
    read_photograph,
    shrunk,
    turn_of,
    upright,
    upright_size,
)
from stages.files import InputError, atomic

LONGEST_SIDE = 65500  # of a JPEG


class Job(NamedTuple):
    """One image of the data set, and the files that it comes from."""

    id: str
    photograph: Path
    saliency: Path | None
    ground_truth: Path | None


def fault_of(classes: int, job: Job) -> str | None:
    """What is wrong with the files of an image; None if nothing is. All of them are decoded."""
    try:
        height, width = read_photograph(job.photograph).shape[:2]
        if max(height, width) > LONGEST_SIDE:
            raise InputError(f"{job.photograph}: expected at most {LONGEST_SIDE} pixels a side, found {width}x{height}")
        if job.saliency:
            read_map(job.saliency, job.photograph)
        if job.ground_truth:
            label = read_indexed(job.ground_truth)
            if label.shape != (height, width):
                found = f"{label.shape[1]}x{label.shape[0]}"
                raise InputError(f"{job.ground_truth}: expected the image's size {width}x{height}, found {found}")
            beyond = label[(label > classes) & (label != IGNORE_INDEX)]
            if beyond.size:
                raise InputError(f"{job.ground_truth}: expected values 0 to {classes} and 255, found {beyond[0]}")
    except InputError as error:
        return str(error)
    return None


def read_map(path: Path, photograph: Path, longest: int | None = None) -> np.ndarray:
    """Read a saliency map as uint8 (H, W) of the size that the photograph gets, resized and turned where it has to be.

    It is turned with the photograph if that lies on its side and the map does, too. Raises InputError if it is no grey
    image of 8 bits; one with three equal channels is grey.
    """
    with opened(photograph) as image:
        turn, size, lying = turn_of(image), upright_size(image), image.width > image.height
    with opened(path) as map_:
        if map_.mode not in ("L", "RGB", "P", "1"):
            raise InputError(
                f"{path}: expected a grey map of 8 bits, found mode {map_.mode}, such as of a cut-out object"
            )
        channels = np.asarray(map_.convert("RGB"))
        if (channels != channels[..., :1]).any():
            raise InputError(f"{path}: expected a grey map, found colours")
        grey = Image.fromarray(np.ascontiguousarray(channels[..., 0]))
    height, width = fitted(size, longest)
    is_on_its_side = (size[1] > size[0]) != lying and grey.width != grey.height and (grey.width > grey.height) == lying
    grey = upright(grey, turn) if is_on_its_side else grey
    return np.asarray(grey if grey.size == (width, height) else grey.resize((width, height), Image.Resampling.BILINEAR))


def files_of(data: DataSet, job: Job) -> list[Path]:
    """All that becomes of an image."""
    paths = [data.image_path(job.id)]
    paths += [data.saliency_path(job.id)] if job.saliency else []
    return paths + ([data.ground_truth_path(job.id)] if job.ground_truth else [])


def missing(out: Path, jobs: list[Job]) -> list[Job]:
    """Those whose files are not all there from a run that was stopped."""
    if not (out / "classes.txt").exists():
        return jobs
    data = DataSet(out)
    return [job for job in jobs if not all(map(is_complete, files_of(data, job)))]


def write(data: DataSet, longest: int | None, job: Job) -> None:
    """Write an image, its map and its ground truth, of at most `longest` pixels a side."""
    size = photograph_size(job.photograph)
    if job.ground_truth and fitted(size, longest) == size:
        copy(job.ground_truth, data.ground_truth_path(job.id))
    elif job.ground_truth:
        width, height = fitted(size, longest)[::-1]
        label = cv2.resize(read_indexed(job.ground_truth), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
        write_indexed(data.ground_truth_path(job.id), label)
    if job.saliency:
        write_grey(data.saliency_path(job.id), read_map(job.saliency, job.photograph, longest))
    write_photograph(data.image_path(job.id), job.photograph, longest)


def write_photograph(target: Path, source: Path, longest: int | None) -> None:
    """Copy an upright JPEG, grey or RGB, of at most `longest` pixels a side; make one of any other photograph."""
    with opened(source) as image:  # MPO is a JPEG with further ones behind it
        is_jpeg = image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB") and turn_of(image) is None
        fits = fitted(upright_size(image), longest) == upright_size(image)
    if is_jpeg and fits:
        copy(source, target)
        return
    image = Image.fromarray(shrunk(read_photograph(source), longest))
    with atomic(target) as partial_file:
        image.save(partial_file, format="JPEG", quality=95, subsampling=0)


def copy(source: Path, target: Path) -> None:
    """Copy a file, completely or not at all."""
    with atomic(target) as partial_file:
        copyfile(source, partial_file)
