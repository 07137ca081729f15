"""Class maps (CAM, OA-CAM, accumulated attention) as files: <folder>/<id>_<class>.png, 8-bit grey, 0-based class."""

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from common.files.dataset import Item
from common.files.images import read_grey
from stages.files import InputError


def map_path(folder: Path, id: str, cls: int) -> Path:
    """Path of the map of an image's foreground class `cls` (0-based)."""
    return folder / f"{id}_{cls}.png"


def read_maps(folder: Path, item: Item, size: tuple[int, int]) -> dict[int, np.ndarray]:
    """Read the maps of the image's own classes, {0-based class: uint8 (H, W)}, without the classes that have no file.

    A map of another size, such as the network's 32x32, is resized to `size` (H, W), bicubic on the 8-bit values.
    Raises InputError if a file is no 8-bit grey image.
    """
    maps = {}
    for cls in item.classes:
        path = map_path(folder, item.id, cls)
        if path.exists():
            maps[cls] = resize_map(read_grey(path), size)
    return maps


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
    if not any(map_path(folder, item.id, cls).exists() for item in items for cls in item.classes):
        raise InputError(f"{folder}: expected maps named <id>_<class>.png, found none for this split")
