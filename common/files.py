"""Reading and writing the files that the stages exchange: PNG, JPEG, JSON, each complete or absent."""

import json
import os
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

IGNORE_INDEX = 255  # a pixel that neither trains nor scores


class InputError(Exception):
    """Input that cannot be used. The message is one line: the file, what was expected, what was found."""


def _voc_palette():
    """The PASCAL VOC colour map, 768 numbers: bit j of an index sets bit 7 - j // 3 of channel j % 3."""
    indices = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((indices >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return palette.ravel().tolist()


VOC_PALETTE = _voc_palette()


@contextmanager
def atomic(path):
    """Gives a temporary name beside `path`; what is written there takes the place of `path` at the end, or nothing does."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path, content):
    with atomic(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def read_json(path):
    """Raises InputError if the file is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"{path}: expected JSON ({error})") from None


@contextmanager
def _opened(path):
    """An opened Pillow image; every way in which it can be missing or damaged becomes an InputError."""
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow raises all of them
        raise InputError(f"{path}: expected a complete image ({error})") from None


def image_size(path):
    """(height, width) in pixels from the file's header; the pixels are not decoded."""
    with _opened(path) as image:
        return image.height, image.width


def read_rgb(path):
    """A photograph as uint8 (H, W, 3), RGB."""
    with _opened(path) as image:
        return np.asarray(image.convert("RGB"))


def read_grey(path):
    """An 8-bit grey PNG (saliency, CAM, OA-CAM) as uint8 (H, W), 0 to 255."""
    return _read(path, "L", "an 8-bit grey image")


def read_indexed(path):
    """An indexed PNG (labels, predictions) as uint8 (H, W): 0 background, 1 to C classes, 255 ignore."""
    return _read(path, "P", "an indexed (palette) PNG")


def _read(path, mode, expected):
    with _opened(path) as image:
        if image.mode != mode:
            raise InputError(f"{path}: expected {expected}, found mode {image.mode}")
        return np.asarray(image)


def write_grey(path, array):
    """Writes uint8 (H, W) as an 8-bit grey PNG."""
    _write(path, Image.fromarray(array))


def write_indexed(path, label):
    """Writes uint8 (H, W) as an indexed PNG with the VOC palette."""
    image = Image.fromarray(label)
    image.putpalette(VOC_PALETTE)
    _write(path, image, compress_type=zlib.Z_RLE)  # labels are runs: about the same size in a third of the time


def _write(path, image, **options):
    with atomic(path) as partial:
        image.save(partial, format="PNG", **options)
