"""Reading and writing the files that the stages exchange: PNG, JPEG, JSON, each complete or absent."""

import json
import os
import warnings
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

ENDS = {".png": b"\0\0\0\0IEND\xaeB\x60\x82", ".jpg": b"\xff\xd9"}  # the last bytes of every file of the kind
IGNORE_INDEX = 255  # a pixel that neither trains nor scores
MAX_PIXELS = 2**26  # of an image, such as 8192 x 8192: one that announces more is refused before it is decoded
FORMATS = ("PNG", "JPEG")  # alone: Pillow knows dozens, and for some it starts other programs
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # MAX_PIXELS is the stricter limit


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
def atomic(path, sync=False):
    """Gives a temporary name beside `path`; what is written there takes the place of `path` at the end, or nothing does.

    With `sync` it is on the disk before: the file is whole even if the machine itself stops.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        if sync:
            sync_file(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def sync_file(path):
    """Waits until a file's content is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path, content):
    with atomic(path, sync=True) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")


def read_json(path):
    """Raises InputError if the file is missing or is not JSON."""
    try:
        return json.loads(Path(path).read_text())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON ({error})") from None


@contextmanager
def _opened(path):
    """An opened Pillow image; every way in which it can be missing, damaged or too large becomes an InputError."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Image.DecompressionBombError:  # or Pillow's own, of its larger limit
        raise InputError(f"{path}: expected at most {MAX_PIXELS} pixels, its header announces more") from None
    except (OSError, SyntaxError, ValueError) as error:  # Pillow raises all of them
        raise InputError(f"{path}: expected a complete image, PNG or JPEG ({error})") from None


def check_output(path, *inputs):
    """Raises InputError unless a file can be written at `path`: in a folder that is there, over none of `inputs`."""
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: no such folder")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise InputError(f"{path}: expected a file that can be written")
    if path.resolve() in {each.resolve() for each in inputs}:
        raise InputError(f"{path}: expected another file to write than those to read")


def is_complete(path):
    """Whether a PNG or JPEG is there with its end, which it may lack where the machine stopped after it was written."""
    end = ENDS[path.suffix]
    try:
        with open(path, "rb") as file:
            file.seek(-len(end), os.SEEK_END)
            return file.read() == end
    except OSError:  # not there, or shorter
        return False


def image_size(path):
    """(height, width) in pixels from the file's header; the pixels are not decoded."""
    with _opened(path) as image:
        return image.height, image.width


def read_rgb(path):
    """A photograph as uint8 (H, W, 3), RGB."""
    with _opened(path) as image:
        if image.mode[0] in "IF":  # Pillow would cut off what exceeds 255
            raise InputError(f"{path}: expected 8 bits a channel, found mode {image.mode}")
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
