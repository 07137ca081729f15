"""Pictures of a report that lie over one another in a browser: a photograph, and labels and maps with transparency.

Each is written once, as small as possible; the browser scales them to one size and blends them.
"""

import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from common.files.images import IGNORE_INDEX, VOC_COLOURS
from common.files.photographs import fitted, shrunk

QUALITY = 80  # of JPEGs: artefacts only show on a closer look
IGNORED_ALPHA = 200  # ignored pixels are translucent, which tells them from a class
LEVELS = 64  # of a map: finer ones are invisible but take space
MAP_ALPHA = 230  # of a map's highest value; its lowest is transparent


def write_photograph(path: Path, rgb: np.ndarray, longest: int) -> None:
    """Write uint8 (H, W, 3), RGB, as a JPEG, shrunk until its longer side is at most `longest`."""
    Image.fromarray(shrunk(rgb, longest)).save(path, format="JPEG", quality=QUALITY)


def write_label(path: Path, label: np.ndarray, longest: int) -> None:
    """Write a label as an indexed PNG in the VOC palette's colours: 0 transparent, 255 translucent beige.

    label: uint8 (H, W), 0 background, 1 to C, 255 ignore. It is shrunk by nearest neighbour until its longer side is at
    most `longest`. The palette holds only the values that the label has, so the file's indices are not the label's.
    """
    height, width = fitted(label.shape, longest)
    label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    values, indices = np.unique(label, return_inverse=True)
    alpha = np.full(256, 255, np.uint8)
    alpha[0], alpha[IGNORE_INDEX] = 0, IGNORED_ALPHA
    _write_indexed(path, indices.reshape(label.shape).astype(np.uint8), VOC_COLOURS[values], alpha[values])


def write_map(path: Path, map_: np.ndarray, longest: int) -> None:
    """Write a map, such as a CAM or saliency, as an indexed PNG of a colour scale whose alpha rises with the value.

    map_: uint8 (H, W), 0 to 255, of any size: a browser scales it smoothly. It is shrunk until its longer side is at
    most `longest`.
    """
    height, width = fitted(map_.shape, longest)
    if (height, width) != map_.shape:
        map_ = cv2.resize(map_, (width, height), interpolation=cv2.INTER_AREA)
    place = np.linspace(0, 1, LEVELS)
    colours = cv2.applyColorMap((255 * place).astype(np.uint8)[None], cv2.COLORMAP_PLASMA)[0, :, ::-1]  # RGB
    _write_indexed(path, map_ // (256 // LEVELS), colours, (MAP_ALPHA * place).round().astype(np.uint8))


def _write_indexed(path, indices, colours, alpha):
    """indices: uint8 (H, W); colours: uint8 (N, 3); alpha: uint8 (N,). 16 colours and fewer take half a byte a pixel"""
    image = Image.fromarray(indices)
    image.putpalette(colours.ravel().tolist())
    image.save(path, format="PNG", transparency=alpha.tobytes(), compress_level=zlib.Z_BEST_COMPRESSION)
