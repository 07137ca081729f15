"""A folder of photographs: PNG, JPEG or WebP of any name, turned upright as a viewer shows them."""

import csv
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

from common.files import images
from common.files.dataset import SAFE_ID
from common.files.images import check_pixels, opening
from stages.files import InputError, atomic, cite

FORMATS = (*images.FORMATS, "WEBP")
ENDINGS = (".png", ".jpg", ".jpeg", ".webp")


class Photograph(NamedTuple):
    """A file, and its id as an image of a data set and in names of results."""

    id: str
    path: Path


class PhotographFolder:
    """The photographs of a folder, read like those of a common.files.dataset.DataSet.

    An image with a side of more than `longest` pixels is shrunk to that.
    Attributes: `root` (Path), `photographs` (list of Photograph), `others` (names of other files, see scan). Raises
    InputError as scan does.
    """

    def __init__(self, root: Path | str, longest: int | None = None):
        self.root, self.longest = Path(root), longest
        self.photographs, self.others = scan(self.root)
        self._paths = {each.id: each.path for each in self.photographs}

    def image_path(self, id: str) -> Path:
        """Path of the file."""
        return self._paths[id]

    def image(self, id: str) -> np.ndarray:
        """uint8 (H, W, 3), RGB, upright."""
        return shrunk(read_photograph(self._paths[id]), self.longest)

    def image_size(self, id: str) -> tuple[int, int]:
        """(H, W) of what `image` returns."""
        return fitted(photograph_size(self._paths[id]), self.longest)


def scan(folder: Path) -> tuple[list[Photograph], list[str]]:
    """The photographs of a folder and the names of everything else in it, both sorted by name, without hidden files.

    A photograph is a file with one of ENDINGS, in any case. Its id is the name without the ending, or one made from it
    (safe_ids). Raises InputError if the folder cannot be read, holds no photograph, or a name is not UTF-8.
    """
    try:
        with os.scandir(folder) as entries:
            found = sorted((entry.name, entry.is_file()) for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); expected a folder of photographs") from None
    for name, _ in found:
        if not _is_line(name):
            raise InputError(f"{folder}: expected names of UTF-8 text in one line, found {ascii(name):.80}")
    names = [name for name, is_file in found if is_file and _has_ending(name)]
    if not names:
        raise InputError(f"{folder}: expected at least one photograph, named *{', *'.join(ENDINGS)}")
    others = [name if is_file else f"{name}/" for name, is_file in found if not (is_file and _has_ending(name))]
    ids = safe_ids([Path(name).stem for name in names])
    return [Photograph(id, Path(folder, name)) for id, name in zip(ids, names)], others


def _has_ending(name):
    return Path(name).suffix.lower() in ENDINGS


def _is_line(name):
    """Whether a name is text, without the stand-ins for bytes that are not UTF-8, and has no line break."""
    return not re.search("[\ud800-\udfff]", name) and len(name.splitlines()) == 1


def safe_ids(stems: Sequence[str]) -> list[str]:
    """An id for each name: the name itself if it is a valid id, else its ASCII letters and digits in lower case.

    "Été à la mer (1)" becomes ete_a_la_mer_1, or ete_a_la_mer_1_2 if that is taken. Valid names come first.
    """
    order = sorted(range(len(stems)), key=lambda index: SAFE_ID.fullmatch(stems[index]) is None)  # stable
    found, taken, counts = {}, set(), Counter()
    for index in order:
        id = base = _safe(stems[index])
        while id in taken:
            counts[base] += 1
            id = f"{base[:190]}_{counts[base] + 1}"
        taken.add(id)
        found[index] = id
    return [found[index] for index in range(len(stems))]


def _safe(stem):
    if SAFE_ID.fullmatch(stem):
        return stem
    ascii_ = unicodedata.normalize("NFKD", stem).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "_", ascii_)[:190].strip("_") or "image"


def renamed(photographs: Iterable[Photograph]) -> list[Photograph]:
    """Those whose id is not the file's name without its ending."""
    return [each for each in photographs if each.id != each.path.stem]


def describe(folder: PhotographFolder, used: Iterable[Photograph]) -> None:
    """Print which files of a folder are skipped, and which of those used get an id other than their name."""
    if folder.others:
        print(f"{folder.root}: no PNG, JPEG or WebP, passed over ({len(folder.others)}): {cite(folder.others)}")
    if pairs := [f"{each.path.name} is {each.id}" for each in renamed(used)]:
        print(f"{folder.root}: renamed, listed in names.csv ({len(pairs)}): {cite(pairs)}")


def write_names(path: Path, photographs: Iterable[Photograph]) -> None:
    """Write which id each of the `renamed` files has, as CSV with the columns file and id; nothing if there is none."""
    if rows := [(each.path.name, each.id) for each in renamed(photographs)]:
        with atomic(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([("file", "id"), *rows])


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Context with an open photograph. Raises InputError if it is missing, damaged, too large or not of 8 bits."""
    with opening(path, "PNG, JPEG or WebP"), Image.open(path, formats=FORMATS) as image:
        check_pixels(image)
        if image.mode[0] in "IF":
            raise InputError(f"{path}: expected 8 bits a channel, found 16 or more")
        if image.format == "PNG":
            image.load()  # its orientation may stand behind the pixels
        yield image


def read_photograph(path: Path) -> np.ndarray:
    """Read a PNG, JPEG or WebP as uint8 (H, W, 3), RGB, turned upright as its EXIF orientation says.

    Grey, palettes and CMYK become RGB, transparent pixels white; of an animation, the first picture is read. Raises
    InputError if it is missing, damaged, larger than images.MAX_PIXELS or has more than 8 bits a channel.
    """
    with opened(path) as image:
        return upright(np.asarray(_rgb(image)), orientation_of(image))


def photograph_size(path: Path) -> tuple[int, int]:
    """Read (height, width) of the upright photograph; of JPEG and WebP no pixel is decoded. Raises InputError."""
    with opened(path) as image:
        return upright_size(image)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) of an open image once it is upright."""
    return (image.width, image.height) if orientation_of(image) >= 5 else (image.height, image.width)


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of an open image, 1 to 8; 1 if it has none or its EXIF block is damaged, as in viewers."""
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation)
    except MemoryError:
        raise
    except Exception:  # a damaged block makes Pillow raise almost any
        return 1
    return orientation if orientation in range(1, 9) else 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn uint8 (h, w) or (h, w, 3) as an EXIF orientation, 1 to 8, says."""
    image = Image.fromarray(pixels)
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def fitted(size: tuple[int, int], longest: int | None) -> tuple[int, int]:
    """(height, width) of an image of `size` (height, width) whose longer side is at most `longest`, None for any."""
    scale = min(1, (longest or max(size)) / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def shrunk(rgb: np.ndarray, longest: int | None) -> np.ndarray:
    """Shrink an image, uint8 (H, W, 3), until its longer side is at most `longest`; None leaves it as it is."""
    size = fitted(rgb.shape[:2], longest)
    return rgb if size == rgb.shape[:2] else cv2.resize(rgb, size[::-1], interpolation=cv2.INTER_AREA)


def _rgb(image):
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
