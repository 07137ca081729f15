"""The annotations of MS COCO 2014, as instances_train2014.json holds them: read, checked, and kept in little memory."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from common.files.dataset import SAFE_ID
from common.files.images import MAX_PIXELS
from stages.files import InputError

CLASSES = (
    "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,"
    "bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe,backpack,umbrella,handbag,tie,suitcase,frisbee,"
    "skis,snowboard,sports ball,kite,baseball bat,baseball glove,skateboard,surfboard,tennis racket,bottle,wine glass,"
    "cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,couch,"
    "potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,"
    "refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush"
).split(",")

# In the order of CLASSES; the ids of 1 to 90 that are left out belong to no category.
CATEGORY_IDS = (*range(1, 12), *range(13, 26), 27, 28, *range(31, 45), *range(46, 66), 67, 70, *range(72, 83))
CATEGORY_IDS += tuple(range(84, 91))

MAX_BYTES = 2**30  # of a JSON; COCO's have a third
MAX_OUTLINE = 2**20  # pixels: no coordinate beyond, and no longer polygon; pycocotools stores each pixel on the way
MAX_ID = 2**63  # of images and annotations
SHIFT_END = 35  # bits of a run length in a string


class CocoObject(NamedTuple):
    """One annotation of an image."""

    id: int
    cls: int  # 0-based
    area: float  # in pixels, as the annotators' polygon has it
    is_crowd: bool
    polygons: tuple[np.ndarray, ...]  # float64 (2N,), N >= 3: x, y, x, y, … in pixels; empty for run lengths
    runs: np.ndarray | None  # uint32 (R,): pixels outside, inside, outside, … column by column


class CocoImage(NamedTuple):
    """One image of a split."""

    id: str  # the file's name without .jpg
    height: int
    width: int
    objects: list[CocoObject]

    @property
    def classes(self) -> list[int]:
        """0-based, ascending: those of all annotations, of crowds and of objects too small for a pixel as well."""
        return sorted({each.cls for each in self.objects})


def read_images(path: Path) -> list[CocoImage]:
    """The images of a split with their objects, by image id.

    Raises InputError if the file is missing or is not COCO's: truncated, other categories, an object of no image or
    category, a file name that leads out of the folder, an outline or run lengths that cannot be those of its image.
    """
    content = _load(path)
    for key in ("categories", "images", "annotations"):
        if not _is_list_of_dicts(content.get(key) if isinstance(content, dict) else None):
            raise InputError(f"{path}: expected COCO's annotations, a list of {key} in them")
    _check_categories(path, content["categories"])
    images = _images(path, content.pop("images"))
    classes = {category: index for index, category in enumerate(CATEGORY_IDS)}
    seen = set()
    for place, entry in enumerate(content.pop("annotations"), start=1):
        try:
            image = _known(images, entry.get("image_id"), "the image_id of one of the images")
            found = _object(entry, image, classes)
            _check(found.id not in seen, "every id once", found.id)
        except _Fault as fault:
            raise InputError(f"{path}: annotation {place} (id {entry.get('id')!r:.20}): {fault}") from None
        seen.add(found.id)
        image.objects.append(found)
    return [images[id] for id in sorted(images)]


class _Fault(Exception):
    """What is wrong with an entry."""


def _check(condition, expected, found):
    if not condition:
        raise _Fault(f"expected {expected}, found {found!r:.40}")


def _known(known, id, expected):
    """known[id]. Raises _Fault."""
    _check(type(id) is int and id in known, expected, id)
    return known[id]


def _load(path):
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: expected at most {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
        return json.loads(text, object_hook=_pack, parse_constant=_refuse)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: expected JSON, complete and in UTF-8 ({error!s:.200})") from None


def _refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def _pack(entry):
    """Makes arrays of an annotation's numbers as soon as they are read, which takes a quarter of the memory."""
    if "segmentation" in entry:
        entry["segmentation"] = _packed(entry["segmentation"])
        entry.pop("bbox", None)
    return entry


def _packed(found):
    """A segmentation with arrays in the place of lists of numbers; what is none of the forms stays as it is."""
    if isinstance(found, list):
        return [_array(each) for each in found]
    if isinstance(found, dict) and isinstance(found.get("counts"), list):
        return found | {"counts": _array(found["counts"])}
    return found


def _array(numbers):
    """A list of numbers as an array, float64 or int64 (N,); anything else as it is."""
    try:
        array = np.array(numbers) if isinstance(numbers, list) else None
    except (ValueError, OverflowError):  # lists of different lengths in it
        return numbers
    return array if array is not None and array.ndim == 1 and array.dtype.kind in "iuf" else numbers


def _is_list_of_dicts(found):
    return isinstance(found, list) and all(isinstance(each, dict) for each in found)


def _check_categories(path, entries):
    found = [(entry.get("id"), entry.get("name")) for entry in entries]
    unknown = [each for each in found if each not in list(zip(CATEGORY_IDS, CLASSES))]
    if unknown or len(found) != len(CLASSES) or len(set(found)) != len(CLASSES):
        words = f"{unknown[0][0]!r:.20} {unknown[0][1]!r:.40}" if unknown else f"{len(found)} of them"
        raise InputError(f"{path}: expected COCO's 80 categories, found {words}")


def _images(path, entries: Iterable[dict[str, Any]]) -> dict[int, CocoImage]:
    """{image id: image}, without objects."""
    images, names = {}, set()
    for place, entry in enumerate(entries, start=1):
        id, name = entry.get("id"), entry.get("file_name")
        try:
            _check(_is_whole(id, MAX_ID) and id not in images, "a number that no other has as id", id)
            is_plain = isinstance(name, str) and name.endswith(".jpg") and SAFE_ID.fullmatch(name[:-4])
            _check(is_plain and name not in names, "a file_name such as COCO_train2014_000000000009.jpg, once", name)
            size = entry.get("height"), entry.get("width")
            is_size = all(_is_whole(each, MAX_PIXELS + 1) and each for each in size) and size[0] * size[1] <= MAX_PIXELS
            _check(is_size, f"height and width of at most {MAX_PIXELS} pixels", size)
        except _Fault as fault:
            raise InputError(f"{path}: image {place} (id {id!r:.20}): {fault}") from None
        names.add(name)
        images[id] = CocoImage(name[:-4], *size, [])
    return images


def _is_whole(value, end):
    return type(value) is int and 0 <= value < end


def _object(entry, image, classes):
    """An annotation as CocoObject. Raises _Fault."""
    id, category, area, crowd = (entry.get(key) for key in ("id", "category_id", "area", "iscrowd"))
    _check(_is_whole(id, MAX_ID), "a number as id", id)
    cls = _known(classes, category, "one of COCO's 80 categories")
    _check(type(area) in (int, float) and 0 <= area <= 2 * MAX_PIXELS, "an area in pixels", area)
    _check(type(crowd) is int and crowd in (0, 1), "iscrowd of 0 or 1", crowd)
    found = entry.get("segmentation")
    if isinstance(found, dict):
        return CocoObject(id, cls, float(area), bool(crowd), (), _runs(found, image))
    _check(isinstance(found, list), "a segmentation of polygons or run lengths", found)
    return CocoObject(id, cls, float(area), bool(crowd), _polygons(found), None)


def _polygons(found):
    """The polygons of a list of arrays, float64 each; those of one or two points are left out: they cover nothing."""
    polygons = []
    for numbers in found:
        _check(isinstance(numbers, np.ndarray) and len(numbers) % 2 == 0, "polygons of numbers x, y, x, y, …", numbers)
        polygon = numbers.astype(np.float64)
        _check((np.abs(polygon) <= MAX_OUTLINE).all(), f"coordinates of at most {MAX_OUTLINE}", numbers)
        around = np.abs(polygon - np.roll(polygon, 2)).sum()
        _check(around <= MAX_OUTLINE, f"polygons of at most {MAX_OUTLINE} pixels around", float(around))
        polygons += [polygon] if len(polygon) >= 6 else []
    return tuple(polygons)


def _runs(found, image):
    """Run lengths as uint32 (R,), from a list or COCO's string of them."""
    size, counts = found.get("size"), found.get("counts")
    _check(size == [image.height, image.width], f"run lengths of size [{image.height}, {image.width}]", size)
    counts = _array(counts_of_string(counts)) if isinstance(counts, str) else counts
    is_right = isinstance(counts, np.ndarray) and counts.dtype.kind in "iu" and (counts >= 0).all()
    _check(is_right, "run lengths of whole numbers", found.get("counts"))
    pixels = image.height * image.width
    is_whole = counts.max(initial=0) <= pixels and int(counts.sum(dtype=np.uint64)) == pixels
    _check(is_whole, f"run lengths that add up to {pixels} pixels", int(counts.sum(dtype=np.uint64)))
    return counts.astype(np.uint32)


def counts_of_string(text: str) -> list[int] | None:
    """The run lengths in COCO's string of them; None if it is no such string.

    Five bits a character from "0" on, the lowest first, a sixth where more follow; the number's highest bit is its
    sign, and from the fourth number on the difference to the last but one is meant.
    """
    counts, value, shift = [], 0, 0
    for char in text:
        code = ord(char) - 48
        if not 0 <= code < 64 or shift >= SHIFT_END:
            return None
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        value -= (code & 16) << (shift - 4)
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts if shift == 0 else None
