"""Read and write images, maps and labels as PNG and JPEG; a file is written completely or not at all."""

import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from stages.files import InputError, atomic

# the last bytes of each complete file; of .npy, a pickle's
ENDS = {".png": b"\0\0\0\0IEND\xaeB\x60\x82", ".jpg": b"\xff\xd9", ".npy": b"b."}
IGNORE_INDEX = 255  # value of pixels left out of training and scores
MAX_PIXELS = 2**26  # such as 8192 x 8192: a larger image is refused before it is decoded
FORMATS = ("PNG", "JPEG")  # no others: Pillow reads dozens, for some of which it starts other programs
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # MAX_PIXELS is the stricter limit


def _voc_palette():
    """PASCAL VOC's colour map, 768 numbers: bit j of an index sets bit 7 - j // 3 of channel j % 3."""
    indices = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((indices >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return palette.ravel().tolist()


VOC_PALETTE = _voc_palette()
VOC_COLOURS = np.array(VOC_PALETTE, np.uint8).reshape(256, 3)


def legend(classes: list[str]) -> list[tuple[str, str]]:
    """The colours of labels, [(name, "#rrggbb")]: those of the C foreground `classes`, then of "ignored"."""
    values = [*range(1, len(classes) + 1), IGNORE_INDEX]
    return [(name, f"#{bytes(VOC_COLOURS[value]).hex()}") for name, value in zip([*classes, "ignored"], values)]


@contextmanager
def opening(path: Path, kinds: str = "PNG or JPEG") -> Iterator[None]:
    """Context in which Pillow opens and reads an image of these `kinds`, as words.

    Raises InputError if it is missing, damaged or too large (check_pixels).
    """
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except Image.DecompressionBombError:  # raised by check_pixels, or by Pillow for its own larger limit
        raise InputError(f"{path}: expected at most {MAX_PIXELS} pixels, its header announces more") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # Pillow raises all of them
        raise InputError(f"{path}: expected a complete image, {kinds} ({error})") from None


def check_pixels(image: Image.Image) -> None:
    """Raises DecompressionBombError, for `opening`, if an image has more than MAX_PIXELS."""
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError


@contextmanager
def _opened(path):
    """Context with an open Pillow image. Raises InputError if it is missing, damaged or too large."""
    with opening(path), Image.open(path, formats=FORMATS) as image:
        check_pixels(image)
        yield image


def is_complete(path: Path) -> bool:
    """Whether a PNG, JPEG or .npy exists and has its last bytes, which may be lost if the machine stops."""
    end = ENDS[path.suffix]
    try:
        with open(path, "rb") as file:
            file.seek(-len(end), os.SEEK_END)
            return file.read() == end
    except OSError:  # missing, or shorter than `end`
        return False


def image_size(path: Path) -> tuple[int, int]:
    """Read (height, width) from an image's header, without decoding its pixels. Raises InputError."""
    with _opened(path) as image:
        return image.height, image.width


def check_size(path: Path, found: tuple[int, int], expected: tuple[int, int], whose: str = "the image's") -> None:
    """Raises InputError unless what is in a file has the expected (height, width)."""
    if found != expected:
        sizes = f"{expected[1]}x{expected[0]}, found {found[1]}x{found[0]}"
        raise InputError(f"{path}: expected {whose} size {sizes}")


def check_values(path: Path, label: np.ndarray, classes: int, may_ignore: bool = True) -> None:
    """Raises InputError if a mask has other values than 0 to `classes` and, if it may ignore pixels, 255."""
    beyond = label[(label > classes) & ~(may_ignore & (label == IGNORE_INDEX))]
    if beyond.size:
        raise InputError(f"{path}: expected values 0 to {classes}{' and 255' * may_ignore}, found {beyond[0]}")


def read_rgb(path: Path) -> np.ndarray:
    """Read a photograph as uint8 (H, W, 3), RGB. Raises InputError if it cannot be read or has not 8 bits a channel."""
    with _opened(path) as image:
        if image.mode[0] in "IF":  # Pillow would clip values at 255
            raise InputError(f"{path}: expected 8 bits a channel, found mode {image.mode}")
        return np.asarray(image.convert("RGB"))


def read_grey(path: Path) -> np.ndarray:
    """Read an 8-bit grey PNG (saliency, CAM, OA-CAM) as uint8 (H, W), 0 to 255. Raises InputError on any other file."""
    return _read(path, "L", "an 8-bit grey image")


def read_indexed(path: Path) -> np.ndarray:
    """Read an indexed PNG (labels, predictions) as uint8 (H, W): 0 background, 1 to C classes, 255 ignore.

    Raises InputError on any other file.
    """
    return _read(path, "P", "an indexed (palette) PNG")


def _read(path, mode, expected):
    with _opened(path) as image:
        if image.mode != mode:
            raise InputError(f"{path}: expected {expected}, found mode {image.mode}")
        return np.asarray(image)


def write_jpeg(path: Path, rgb: np.ndarray) -> None:
    """Write uint8 (H, W, 3), RGB, as a JPEG of quality 95 with full colours."""
    with atomic(path) as partial:
        Image.fromarray(rgb).save(partial, format="JPEG", quality=95, subsampling=0)


def write_grey(path: Path, array: np.ndarray) -> None:
    """Write uint8 (H, W) as an 8-bit grey PNG."""
    _write(path, Image.fromarray(array))


def write_indexed(path: Path, label: np.ndarray) -> None:
    """Write uint8 (H, W) as an indexed PNG with the VOC palette."""
    image = Image.fromarray(label)
    image.putpalette(VOC_PALETTE)
    _write(path, image, compress_type=zlib.Z_RLE)  # about the size of the default, in a third of its time


def _write(path, image, **options):
    with atomic(path) as partial:
        image.save(partial, format="PNG", **options)
