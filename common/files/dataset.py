"""The layout that all data sets share.

classes.txt                 C foreground class names, one a line
JPEGImages/<id>.jpg
SegmentationClass/<id>.png  indexed PNG, 0 background, 1..C, 255 ignore; for scores only
saliency/<id>.png           8-bit grey, same size as the image
InstanceMasks/<id>.png      indexed PNG, 0 none, 1..254 objects, 255 ignore, classes by SegmentationClass; for scores
context/<id>.png            indexed PNG, 0 none, 1..C background that is the context of a class; for measuring
lists/<split>.txt           "<id> <class> <class> …", 0-based foreground classes; a test split has ids alone
"""

import argparse
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.images import check_size, check_values, image_size, read_grey, read_indexed, read_rgb
from stages.files import InputError
from stages.fingerprints import Selection

PARTS = {  # of a data set, which a stage declares to read: (folder, ending)
    "images": ("JPEGImages", ".jpg"),
    "saliency": ("saliency", ".png"),
    "ground_truth": ("SegmentationClass", ".png"),
    "context": ("context", ".png"),
    "instances": ("InstanceMasks", ".png"),
}
SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")  # leaves room for "_<class>.png" in a file's name

CLASS = re.compile("[0-9]{1,3}")


class Item(NamedTuple):
    """One line of a list: an image and its image-level labels."""

    id: str
    classes: tuple  # 0-based foreground classes, ascending; empty where the list has none


class DataSet:
    """A data set folder.

    Attributes: `root` (Path), `classes` (list of C foreground class names).
    Raises InputError if `classes.txt` is missing or unusable.
    """

    def __init__(self, root: Path | str):
        self.root = Path(root)
        path = self.root / "classes.txt"
        self.classes = [line for _, line in numbered_lines(path)]
        if not 1 <= len(self.classes) <= 254:
            raise InputError(f"{path}: expected 1 to 254 class names, one a line, found {len(self.classes)}")
        if len(set(self.classes)) < len(self.classes):
            raise InputError(f"{path}: expected every class name once")

    def image_path(self, id: str) -> Path:
        return self.root / "JPEGImages" / f"{id}.jpg"

    def saliency_path(self, id: str) -> Path:
        return self.root / "saliency" / f"{id}.png"

    def ground_truth_path(self, id: str) -> Path:
        return self.root / "SegmentationClass" / f"{id}.png"

    def context_path(self, id: str) -> Path:
        return self.root / "context" / f"{id}.png"

    def instances_path(self, id: str) -> Path:
        return self.root / "InstanceMasks" / f"{id}.png"

    def split(self, name: str, labelled: bool = False, follow: bool = True) -> list[Item]:
        """The images of lists/<name>.txt as a list of Item, in the list's order.

        Raises InputError if the list is empty, has an unusable id, an unknown class, an image twice or one that is
        missing, or, if `labelled`, an image without a class. A link to an image must lead somewhere, unless `follow` is
        false: for callers that open every image anyway.
        """
        if not SAFE_ID.fullmatch(name):
            raise InputError(f"--split: expected the name of a list <name>.txt, no path, found {name!r:.40}")
        path = self.root / "lists" / f"{name}.txt"
        items, seen, has_image = [], set(), self._finder("JPEGImages", follow)
        for number, line in numbered_lines(path):
            item = self.parse_line(line, f"{path} line {number}")
            if item.id in seen:
                raise InputError(f"{path} line {number}: {item.id} stands in the list twice")
            if labelled and not item.classes:
                raise InputError(f"{path} line {number}: expected at least one class of {item.id}")
            if not has_image(f"{item.id}.jpg"):
                raise InputError(f"{self.image_path(item.id)}: no such file, but {path} line {number} names it")
            seen.add(item.id)
            items.append(item)
        if not items:
            raise InputError(f"{path}: expected at least one image, the list is empty")
        return items

    def files(self, name: str, items: list[Item], parts: Iterable[str]) -> list[str]:
        """Paths below `root`: list and classes of the split `name`, and the files of these `parts` of its `items`.

        Files that do not exist are left out; that images exist has been checked by `split`.
        """
        found = ["classes.txt", f"lists/{name}.txt"]
        for part in parts:
            folder, suffix = PARTS[part]
            names = [f"{item.id}{suffix}" for item in items]
            is_there = (lambda _: True) if part == "images" else self._finder(folder)
            found += [f"{folder}/{name}" for name in names if is_there(name)]
        return found

    def _finder(self, folder, follow=True):
        """A function that says whether a name is in a folder below `root`, which need not exist.

        One scan answers for all names; asking for each of 100 000 files takes half a second. With `follow`, a link has
        to lead somewhere.
        """
        path = self.root / folder
        try:
            with os.scandir(path) as entries:
                links = {entry.name: follow and entry.is_symlink() for entry in entries}
        except (FileNotFoundError, NotADirectoryError):
            links = {}
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        return lambda name: name in links and (not links[name] or os.path.exists(f"{path}/{name}"))

    def parse_line(self, line: str, where: str) -> Item:
        """Parse one line of a list. Raises InputError, whose message begins with `where`."""
        id, *classes = line.split()
        if not SAFE_ID.fullmatch(id):
            raise InputError(f"{where}: expected an id of letters, digits, '_', '-' and '.', found {id!r:.40}")
        for text in classes:
            if not (CLASS.fullmatch(text) and int(text) < len(self.classes)):
                raise InputError(f"{where}: expected classes from 0 to {len(self.classes) - 1}, found {text!r:.40}")
        return Item(id, tuple(sorted({int(text) for text in classes})))

    def image(self, id: str) -> np.ndarray:
        """uint8 (H, W, 3), RGB."""
        return read_rgb(self.image_path(id))

    def image_size(self, id: str) -> tuple[int, int]:
        """(H, W), without decoding the image."""
        return image_size(self.image_path(id))

    def saliency(self, id: str) -> np.ndarray:
        """uint8 (H, W), 0 to 255, of the image's size."""
        return self.same_size(read_grey(self.saliency_path(id)), self.saliency_path(id), id)

    def ground_truth(self, id: str) -> np.ndarray:
        """uint8 (H, W): 0 background, 1 to C, 255 ignore, of the image's size."""
        return self.checked_label(self.ground_truth_path(id), id)

    def context(self, id: str) -> np.ndarray:
        """uint8 (H, W): 0 none, 1 to C where the background is the context of a class, of the image's size.

        Raises InputError where the data set has no context, or the mask is none.
        """
        path = self.context_path(id)
        mask = self.same_size(read_indexed(path), path, id)
        check_values(path, mask, len(self.classes), may_ignore=False)
        return mask

    def instances(self, id: str) -> np.ndarray:
        """uint8 (H, W): 0 none, 1 to 254 the number of an object, 255 ignore, of the image's size."""
        path = self.instances_path(id)
        return self.same_size(read_indexed(path), path, id)

    def checked_label(self, path: Path, id: str) -> np.ndarray:
        """Read a label or a prediction of image `id`: indexed, of the image's size, with no class beyond C."""
        label = self.same_size(read_indexed(path), path, id)
        check_values(path, label, len(self.classes))
        return label

    def same_size(self, array: np.ndarray, path: Path, id: str) -> np.ndarray:
        """Returns `array` (H, W), read from `path`. Raises InputError unless it is of the size of image `id`."""
        check_size(path, array.shape, self.image_size(id))
        return array


def reads(*parts: str) -> Callable[[argparse.Namespace], dict[str, Selection]]:
    """The inputs of a stage in --data and --split, for stages.command.main: these PARTS, the list and the classes.

    Parts that it does not read may change or be added later.
    """

    def select(args):
        dataset = DataSet(args.data)
        items = dataset.split(args.split, follow="images" not in parts)  # or else the fingerprint asks for each of them
        return {"data": Selection(list(parts), dataset.files(args.split, items, parts))}

    return select


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """(number, text) of the lines of a text file that are not blank, counted from 1."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [(number, line.strip()) for number, line in enumerate(lines, start=1) if line.strip()]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: expected UTF-8 text") from None
