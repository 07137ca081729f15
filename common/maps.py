"""Class maps (CAM, OA-CAM, accumulated attention) as files: <folder>/<id>_<class>.png, 8-bit grey, 0-based class."""

import cv2
import numpy as np

from common.files import InputError, read_grey


def map_path(folder, id, cls):
    """Where the map of foreground class `cls` (0-based) of an image lies in a folder of CAMs or OA-CAMs."""
    return folder / f"{id}_{cls}.png"


def read_maps(folder, item, size):
    """The maps of the image's own classes as {0-based class: uint8 (H, W)}; classes without a file are left out.

    A map of another size, such as the network's 32x32, is resized to `size` (H, W), bicubic on the 8-bit values.
    """
    maps = {}
    for cls in item.classes:
        path = map_path(folder, item.id, cls)
        if path.exists():
            maps[cls] = resize_map(read_grey(path), size)
    return maps


def resize_map(map_, size):
    """uint8 (h, w) -> uint8 (H, W), bicubic."""
    return map_ if map_.shape == size else cv2.resize(map_, size[::-1], interpolation=cv2.INTER_CUBIC)


def attention_table(map_):
    """Min-max of a map to [0, 1], for each of the 256 levels that its pixels can have: float64 (256,), ascending.

    What is computed of a pixel's attention is computed of these levels instead, and looked up. The levels of the map lie
    in [0, 1]; a constant map becomes 0 everywhere.
    """
    low, high = int(map_.min()), int(map_.max())
    return (np.arange(256) - low) / (high - low + 1e-8)


def look_up(table, map_):
    """`table[map_]` for 256 numbers or bools and uint8 (H, W): OpenCV takes a fifth of the time of indexing."""
    if table.dtype == bool:  # a type that OpenCV does not know
        return cv2.LUT(map_, table.view(np.uint8)).view(bool)
    return cv2.LUT(map_, table)


def normalise(map_):
    """Min-max to [0, 1]: uint8 (H, W) -> float64 (H, W). A constant map becomes 0 everywhere."""
    return look_up(attention_table(map_), map_)


def require_maps(folder, items):
    """Raises InputError if `folder` holds no map of any of the images: then it is the wrong folder."""
    if not any(map_path(folder, item.id, cls).exists() for item in items for cls in item.classes):
        raise InputError(f"{folder}: expected maps named <id>_<class>.png, found none for this split")
