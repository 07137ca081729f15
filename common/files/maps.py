"""Class maps (CAM, OA-CAM, accumulated attention) as files: <folder>/<id>_<class>.png, 8-bit grey, 0-based class.

Where a folder has <id>.npy, maps in floating point as irn stores them (common.files.npy_maps), these are read instead,
rounded to 8 bits.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from common.files.dataset import Item
from common.files.images import is_complete, read_grey
from common.files.npy_maps import read_npy
from stages.files import InputError


def map_path(folder: Path, id: str, cls: int) -> Path:
    """Path of the map of an image's foreground class `cls` (0-based)."""
    return folder / f"{id}_{cls}.png"


def npy_path(folder: Path, id: str) -> Path:
    """Path of an image's maps in floating point."""
    return folder / f"{id}.npy"


def has_maps(folder: Path, item: Item) -> bool:
    """Whether a folder has any map of an image's own classes; False for a folder that may not be read."""
    paths = [npy_path(folder, item.id), *(map_path(folder, item.id, cls) for cls in item.classes)]
    return any(map(os.path.isfile, paths))


def has_all(folder: Path, item: Item) -> bool:
    """Whether the PNGs of all of an image's own classes are there and complete."""
    return all(is_complete(map_path(folder, item.id, cls)) for cls in item.classes)


def stored_maps(folder: Path, item: Item, size: tuple[int, int] | None = None) -> dict[int, np.ndarray]:
    """Read the maps of the image's own classes as they are: {0-based class: uint8 (h, w)}, without those not there.

    Of the resolutions of an <id>.npy those of `size` (H, W) are taken, else the finest. Raises InputError if a file is
    no 8-bit grey image, or no <id>.npy of read_npy.
    """
    path = npy_path(folder, item.id)
    if path.exists():
        found = read_npy(path)
        maps = next((maps for maps in found if any(map_.shape == size for map_ in maps.values())), found[0])
        return {cls: _to_8_bits(maps[cls]) for cls in item.classes if cls in maps}
    paths = {cls: map_path(folder, item.id, cls) for cls in item.classes}
    return {cls: read_grey(path) for cls, path in paths.items() if path.exists()}


def _to_8_bits(map_):
    """float (h, w), 0 to 1 -> uint8 (h, w)."""
    return (map_.clip(0, 1) * 255).round().astype(np.uint8)


def stored_map(folder: Path, item: Item, cls: int) -> np.ndarray:
    """As `stored_maps`, the map of one class: uint8 (h, w). Raises InputError as it does, or if the map is missing."""
    maps = stored_maps(folder, item._replace(classes=(cls,)))
    if cls not in maps:
        raise InputError(f"{map_path(folder, item.id, cls)}: no such file")
    return maps[cls]


def read_maps(folder: Path, item: Item, size: tuple[int, int]) -> dict[int, np.ndarray]:
    """Read the maps of the image's own classes, {0-based class: uint8 (H, W)}, without the classes that have no file.

    A map of another size, such as the network's 32x32, is resized to `size` (H, W), bicubic on the 8-bit values.
    Raises InputError as `stored_maps`.
    """
    return {cls: resize_map(map_, size) for cls, map_ in stored_maps(folder, item, size).items()}


def resize_map(map_: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 (h, w) to uint8 (H, W) = `size`, bicubic."""
    return map_ if map_.shape == size else cv2.resize(map_, size[::-1], interpolation=cv2.INTER_CUBIC)


def attention_table(map_: np.ndarray) -> np.ndarray:
    """Min-max normalisation of a map uint8 (H, W), for each of the 256 levels of a pixel: float64 (256,), ascending.

    The levels that the map has lie in [0, 1]; a constant map has 0. A function of a pixel's attention is computed for
    these levels instead of all pixels, and looked up.
    """
    low, high = int(map_.min()), int(map_.max())
    return (np.arange(256) - low) / (high - low + 1e-8)


def look_up(table: np.ndarray, map_: np.ndarray) -> np.ndarray:
    """Look up `table[map_]` for a table (256,) and uint8 (H, W): OpenCV takes a fifth of the time of indexing."""
    if table.dtype == bool:  # which OpenCV does not support
        return cv2.LUT(map_, table.view(np.uint8)).view(bool)
    return cv2.LUT(map_, table)


def normalise(map_: np.ndarray) -> np.ndarray:
    """Min-max normalisation to [0, 1]: uint8 (H, W) -> float64 (H, W). A constant map becomes 0 everywhere."""
    return look_up(attention_table(map_), map_)


def require_maps(folder: Path, items: Iterable[Item]) -> None:
    """Check that `folder` is one of maps. Raises InputError if it holds no map of any of the images."""
    if not any(has_maps(folder, item) for item in items):
        raise InputError(f"{folder}: expected maps named <id>_<class>.png or <id>.npy, found none for this split")
