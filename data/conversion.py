"""Converts one image of a folder for a data set: its photograph, saliency map and ground truth."""

from pathlib import Path
from shutil import copyfile
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import (
    check_size,
    check_values,
    is_complete,
    read_indexed,
    write_grey,
    write_indexed,
    write_jpeg,
)
from common.files.photographs import (
    fitted,
    opened,
    orientation_of,
    photograph_size,
    read_photograph,
    shrunk,
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
    """Decode all files of an image and say what is wrong with them; None if nothing is."""
    try:
        height, width = read_photograph(job.photograph).shape[:2]
        if max(height, width) > LONGEST_SIDE:
            raise InputError(f"{job.photograph}: expected at most {LONGEST_SIDE} pixels a side, found {width}x{height}")
        if job.saliency:
            read_map(job.saliency, job.photograph)
        if job.ground_truth:
            label = read_indexed(job.ground_truth)
            check_size(job.ground_truth, label.shape, (height, width))
            check_values(job.ground_truth, label, classes)
    except InputError as error:
        return str(error)
    return None


def read_map(path: Path, photograph: Path, longest: int | None = None) -> np.ndarray:
    """Read a saliency map as uint8 (H, W), resized to the size that the photograph gets.

    Some programs ignore EXIF: a map that lies on its side as the photograph's file does is turned with it. Raises
    InputError unless the map is a grey image of 8 bits; one with three equal channels is grey.
    """
    with opened(photograph) as image:
        orientation, size, stored = orientation_of(image), upright_size(image), image.size[::-1]
    with opened(path) as map_:
        if map_.mode not in ("L", "RGB", "P", "1"):
            raise InputError(
                f"{path}: expected a grey map of 8 bits, found mode {map_.mode}, such as of a cut-out object"
            )
        channels = np.asarray(map_.convert("RGB"))
    if (channels != channels[..., :1]).any():
        raise InputError(f"{path}: expected a grey map, found colours")
    grey = np.ascontiguousarray(channels[..., 0])
    is_on_its_side = is_wide(size) != is_wide(stored) == is_wide(grey.shape) and grey.shape[0] != grey.shape[1]
    grey = upright(grey, orientation) if is_on_its_side else grey
    height, width = fitted(size, longest)
    if grey.shape == (height, width):
        return grey
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR))


def is_wide(size: tuple[int, int]) -> bool:
    """Whether an image of (height, width) is wider than high."""
    return size[1] > size[0]


def files_of(data: DataSet, job: Job) -> list[Path]:
    """The files of a data set that are made of an image."""
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
        is_jpeg = image.format in ("JPEG", "MPO") and image.mode in ("L", "RGB") and orientation_of(image) == 1
        fits = fitted(upright_size(image), longest) == upright_size(image)
    if is_jpeg and fits:
        copy(source, target)
        return
    write_jpeg(target, shrunk(read_photograph(source), longest))


def copy(source: Path, target: Path) -> None:
    """Copy a file, completely or not at all."""
    with atomic(target) as partial_file:
        copyfile(source, partial_file)
