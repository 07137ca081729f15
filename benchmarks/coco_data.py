"""A made data set in MS COCO 2014's layout and of its size: 82 783 + 40 504 tiny photographs, their annotations, maps.

The files are hard links of a few hundred different ones: their number, names and times are real, their content is not.
"""

import json
import os
from pathlib import Path

import cv2
import numpy as np
from measurement import ROOT  # noqa: F401  (makes the packages importable)

from common.files.images import write_grey, write_indexed

COUNTS = {"train2014": (82_783, 82_081), "val2014": (40_504, 40_137)}  # images, and those with an object
SIDES = range(16, 25)
VARIANTS = 5  # contents of each size
CATEGORIES = [number for number in range(1, 91) if number not in (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)]
MORE_CLASSES = 1.9  # of an image, beside its first, on average
MORE_OBJECTS = 4.4  # beside one of each class
CROWDS = 0.012  # share of objects
POINTS = 31  # of a polygon: COCO's file has about 550 bytes an object


class Photograph:
    """One made image: its number in COCO, its size, and its 0-based classes, one for each object."""

    def __init__(self, split, number, size, objects):
        self.split, self.number, self.size, self.objects = split, number, size, objects

    @property
    def id(self):
        return f"COCO_{self.split}_{self.number:012d}"

    @property
    def classes(self):
        return tuple(sorted(set(self.objects)))


def draw(images, seed=0):
    """{split: [Photograph, …]} of `images` photographs in all, a few in a hundred without an object, as in COCO."""
    rng = np.random.default_rng(seed)
    share = images / sum(count for count, _ in COUNTS.values())
    numbers = np.sort(rng.choice(581_929, round(images * 1.01) + 2, replace=False)) + 1
    rng.shuffle(numbers)
    weights = np.log(1 / np.arange(1, len(CATEGORIES) + 1))  # of class i 1 / i: the first is the most frequent by far
    photographs = {}
    for split, (count, with_objects) in COUNTS.items():
        count, with_objects = max(4, round(count * share)), max(3, round(with_objects * share))
        own, numbers = np.sort(numbers[:count]), numbers[count:]
        classes = 1 + rng.poisson(MORE_CLASSES, count)
        order = (weights + rng.gumbel(size=(count, len(CATEGORIES)))).argsort(1)[:, ::-1]  # without replacement
        more = rng.poisson(MORE_OBJECTS, count)
        empty = set(rng.choice(count, count - with_objects, replace=False).tolist())
        sizes = rng.choice(SIDES, (count, 2)).tolist()
        photographs[split] = []
        for i, number in enumerate(own.tolist()):
            there = order[i, : classes[i]].tolist()
            objects = [] if i in empty else there + [there[j % len(there)] for j in range(more[i])]
            photographs[split].append(Photograph(split, number, tuple(sizes[i]), objects))
    return photographs


def link_all(folder, names, sources):
    """Makes hard links in `folder`: names[i] to sources[i]."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in zip(names, sources, strict=True):
        os.link(source, f"{folder}/{name}")


class Originals:
    """The few hundred files that all others are links to, in a folder of their own."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True)
        rng = np.random.default_rng(0)
        for height in SIDES:
            for width in SIDES:
                for variant in range(VARIANTS):
                    self._write(rng, height, width, f"{height}x{width}_{variant}")
        for variant in range(200):  # class maps at the network's resolution
            write_grey(folder / f"map_{variant}.png", rough(rng, (32, 32)))

    def _write(self, rng, height, width, name):
        cv2.imwrite(str(self.folder / f"{name}.jpg"), np.dstack([rough(rng, (height, width)) for _ in range(3)]))
        write_grey(self.folder / f"{name}_saliency.png", rough(rng, (height, width)))
        label = (rough(rng, (height, width)) // 86).astype(np.uint8)
        write_indexed(self.folder / f"{name}_label.png", label * rng.integers(1, 40, dtype=np.uint8))

    def of(self, photograph, ending):
        """The original of a photograph's image (".jpg"), saliency ("_saliency.png") or label ("_label.png")."""
        height, width = photograph.size
        return f"{self.folder}/{height}x{width}_{photograph.number % VARIANTS}{ending}"

    def map(self, number):
        return f"{self.folder}/map_{number % 200}.png"


def rough(rng, size):
    """A smooth random image uint8 `size`, from 0 to 255."""
    small = rng.uniform(0, 255, (4, 4)).astype(np.float32)
    image = cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)
    return cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def write_photographs(folder, photographs, originals):
    """Writes <folder>/train2014/…jpg and <folder>/val2014/…jpg."""
    for split, own in photographs.items():
        names = [f"{each.id}.jpg" for each in own]
        link_all(folder / split, names, [originals.of(each, ".jpg") for each in own])


def write_annotations(folder, photographs, names):
    """Writes instances_<split>.json in COCO's form; `names`: of the 80 categories. Returns {split: bytes}."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    shapes = {(h, w): [polygon(rng, h, w) for _ in range(20)] for h in SIDES for w in SIDES}
    categories = [
        {"supercategory": "thing", "id": number, "name": name} for number, name in zip(CATEGORIES, names, strict=True)
    ]
    sizes, number = {}, 0
    for split, own in photographs.items():
        path = folder / f"instances_{split}.json"
        with open(path, "w") as file:
            file.write('{"info": {"year": 2014}, "licenses": [{"id": 1, "name": "made"}], "images": [')
            file.write(", ".join(json.dumps(entry_of(each)) for each in own))
            file.write('], "annotations": [')
            separator = ""
            for each in own:
                for cls in each.objects:
                    number += 1
                    file.write(separator + annotation_of(each, cls, number, shapes[each.size], rng))
                    separator = ", "
            file.write(f'], "categories": {json.dumps(categories)}}}')
        sizes[split] = path.stat().st_size
    return sizes


def entry_of(photograph):
    """A photograph in COCO's "images"."""
    height, width = photograph.size
    return {
        "license": 1,
        "file_name": f"{photograph.id}.jpg",
        "coco_url": f"http://images.example.org/{photograph.split}/{photograph.id}.jpg",
        "height": height,
        "width": width,
        "date_captured": "2013-11-14 11:18:45",
        "flickr_url": "http://photographs.example.org/1/2345678901_abcdef0123_z.jpg",
        "id": photograph.number,
    }


def polygon(rng, height, width):
    """(text of a polygon's coordinates, its area, its bounding box) of a blob in an image."""
    angles = np.linspace(0, 2 * np.pi, POINTS, endpoint=False)
    radii = rng.uniform(0.1, 0.5) * rng.uniform(0.8, 1, POINTS)
    y, x = rng.uniform(0.2, 0.8, 2)
    xs = ((x + radii * np.cos(angles)).clip(0, 1) * width).round(2)
    ys = ((y + radii * np.sin(angles)).clip(0, 1) * height).round(2)
    area = abs(np.dot(xs, np.roll(ys, 1)) - np.dot(ys, np.roll(xs, 1))) / 2
    box = [xs.min(), ys.min(), xs.max() - xs.min(), ys.max() - ys.min()]
    return str(np.stack([xs, ys], 1).ravel().tolist()), round(area, 5), [round(float(side), 2) for side in box]


def annotation_of(photograph, cls, number, shapes, rng):
    """The JSON text of one object in COCO's "annotations": a polygon, or now and then a crowd's run lengths."""
    text, area, box = shapes[number % len(shapes)]
    crowd = int(rng.random() < CROWDS)
    if crowd:
        height, width = photograph.size
        part = height * width // 4
        segmentation = f'{{"counts": [{part}, {part}, {height * width - 2 * part}], "size": [{height}, {width}]}}'
    else:
        segmentation = f"[{text}]"
    return (
        f'{{"segmentation": {segmentation}, "area": {area}, "iscrowd": {crowd}, "image_id": {photograph.number}, '
        f'"bbox": {box}, "category_id": {CATEGORIES[cls]}, "id": {number}}}'
    )


def write_saliency(folder, photographs, originals):
    """Writes a saliency map for each training image."""
    own = photographs["train2014"]
    link_all(folder, [f"{each.id}.png" for each in own], [originals.of(each, "_saliency.png") for each in own])


def write_maps(folder, items, originals):
    """Writes a class map for each class of each of `items` (id, classes). Returns their number."""
    names = [f"{id}_{cls}.png" for id, classes in items for cls in classes]
    link_all(Path(folder), names, [originals.map(number) for number in range(len(names))])
    return len(names)
