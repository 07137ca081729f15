"""Draws the toy data: a data set that has what the paper is about, in 96 x 128 pixels.

Simple images show one class, complex images two or more (paper, section 1). One object is salient: large, near the
centre, opaque. In complex images the other classes' objects, and further instances of every class, are not: smaller,
anywhere, blended into the background. The saliency map covers the salient object alone, and not all of it. Any class
may be either. Ground truth is exact. The same seed draws the same pixels on every machine.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from PIL import Image

from common.dataset import DataSet
from common.images import is_complete, read_indexed, write_grey, write_indexed
from data.toy_drawing import (
    CLASSES,
    box_blur,
    clip,
    draw_background,
    draw_object,
    frame,
    pick,
    smooth_noise,
    to_bytes,
    uniform,
)
from stages.arguments import fraction, positive_float, random_seed, whole_number
from stages.command import main, stage_parser
from stages.files import InputError, atomic
from stages.parallel import add_workers_argument, for_each

SPLITS = ("train", "val")


class Recipe(NamedTuple):
    """What goes into an image; the arguments of the command of the same names, with their defaults."""

    height: int = 96
    width: int = 128
    complex_share: float = 0.5
    max_classes: int = 3
    extra_instance: float = 0.6
    salient_radius: tuple = (17.0, 24.0)
    non_salient_radius: tuple = (9.0, 15.0)
    non_salient_blend: tuple = (0.4, 0.75)
    saliency_missing: float = 0.5
    saliency_noise: float = 0.5
    saliency_leak: float = 0.15


HELP = {
    "height": "of the images, in pixels",
    "width": "of the images, in pixels",
    "complex_share": "probability that an image is complex",
    "max_classes": f"most classes in a complex image, 2 to {len(CLASSES)}; any number from 2 is as likely",
    "extra_instance": "probability of a further, non-salient instance, for each class of a complex image",
    "salient_radius": "of salient objects, in pixels, least and greatest",
    "non_salient_radius": "of non-salient objects, in pixels, least and greatest",
    "non_salient_blend": "opacity of non-salient objects, least and greatest",
    "saliency_missing": "probability that the saliency map misses a chunk of the salient object",
    "saliency_noise": "how far the saliency map's outline and level waver, 0 to 1",
    "saliency_leak": "probability, in complex images, that the saliency map covers part of another object",
}
TYPES = {
    "height": whole_number(32, 4096),
    "width": whole_number(32, 4096),
    "max_classes": whole_number(2, len(CLASSES)),
}


class Example(NamedTuple):
    image: np.ndarray  # uint8 (H, W, 3), RGB
    ground_truth: np.ndarray  # uint8 (H, W), 0 background, 1..C
    saliency: np.ndarray  # uint8 (H, W)


RECIPE = Recipe()  # the default


def draw_example(seed, split, index, recipe=RECIPE):
    """Image number `index` (from 0) of a split ("train" or "val"); depends on its four arguments alone."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    size = recipe.height, recipe.width
    is_complex = rng.random() < recipe.complex_share
    classes = _choose_classes(rng, int(rng.integers(2, recipe.max_classes + 1)) if is_complex else 1)
    image = draw_background(rng, size)
    ground_truth = np.zeros(size, np.uint8)
    circles = [_salient_circle(rng, recipe)]
    others = []
    if is_complex:
        extra = [c for c in classes if rng.random() < recipe.extra_instance]
        for c in classes[1:] + extra:
            circles.append(_free_circle(rng, recipe, circles))
            opacity = uniform(rng, *recipe.non_salient_blend)
            others.append(_draw_class(rng, image, ground_truth, c, circles[-1], opacity))
    salient = _draw_class(rng, image, ground_truth, classes[0], circles[0], 1.0)  # last: nothing covers it
    leak = pick(rng, others) & ~salient if others and rng.random() < recipe.saliency_leak else None
    saliency = _draw_saliency(rng, salient, leak, circles[0], recipe)
    return Example(to_bytes(rng, image), ground_truth, saliency)


def _choose_classes(rng, count):
    """`count` different classes, 0-based, the salient object's first."""
    rest = list(range(len(CLASSES)))
    return [rest.pop(int(rng.integers(len(rest)))) for _ in range(count)]


def _salient_circle(rng, recipe):
    """(row, column, radius) near the centre."""
    row, column = recipe.height * uniform(rng, 0.38, 0.62), recipe.width * uniform(rng, 0.35, 0.65)
    return row, column, uniform(rng, *recipe.salient_radius)


def _free_circle(rng, recipe, taken, tries=12):
    """(row, column, radius) of a non-salient object: of a few places, the one that keeps clearest of `taken`."""
    radius = uniform(rng, *recipe.non_salient_radius)
    margin = radius / 3  # at the border, part of an object may lie outside
    best, best_gap = None, -np.inf
    for _ in range(tries):
        row, column = uniform(rng, margin, recipe.height - margin), uniform(rng, margin, recipe.width - margin)
        distances = [np.sqrt((row - r) * (row - r) + (column - c) * (column - c)) - other for r, c, other in taken]
        gap = min(distances) - radius
        if gap > best_gap:
            best, best_gap = (row, column, radius), gap
        if gap > 0:
            break
    return best


def _draw_class(rng, image, ground_truth, c, circle, opacity):
    """Draws an object of class c (0-based) into image and ground truth, in place; returns its mask, bool (H, W)."""
    shape, texture, hue = list(CLASSES.values())[c]
    mask = draw_object(rng, image, shape, texture, hue + uniform(rng, -0.09, 0.09), *circle, opacity)
    ground_truth[mask] = c + 1
    return mask


def _draw_saliency(rng, salient, leak, circle, recipe):
    """What a saliency detector might say, uint8 (H, W): `salient` without some chunks, perhaps with part of `leak`.

    Its outline wavers by noise in a narrow band; beyond a few pixels from the two masks it is exactly 0.
    """
    size, (row, column, radius) = salient.shape, circle
    mask = salient.astype(float)
    if rng.random() < recipe.saliency_missing:
        x, y = frame(rng, size, row, column, turn=1)
        x, y = x - pick(rng, (-1, 1)) * radius * uniform(rng, 0.5, 1), y - radius * uniform(rng, -0.5, 0.5)
        reach = radius * uniform(rng, 0.35, 0.7)
        mask[salient & (x * x + y * y < reach * reach)] = uniform(rng, 0, 0.3)
    if leak is not None and leak.any():
        centre = pick(rng, np.argwhere(leak))
        x, _ = frame(rng, size, *centre, turn=1)
        mask[leak & (x > 0)] = uniform(rng, 0.6, 1)
    near = box_blur(mask, 2)
    outline = near + recipe.saliency_noise * (smooth_noise(rng, size, 6) - 0.5)
    level = 1 - 0.5 * recipe.saliency_noise * smooth_noise(rng, size, 8)
    saliency = clip(2.5 * (outline - 0.5) + 0.5) * level * (near > 0)
    return box_blur(np.floor(255 * saliency), 1).astype(np.uint8)


def example_id(split, index):
    return f"{split}_{index:04d}"


def arguments():
    parser = stage_parser(__doc__, data=False)
    parser.add_argument("--seed", type=random_seed, default=0, help="another seed, other images")
    parser.add_argument("--train", type=whole_number(1, 9999), default=600, help="number of training images")
    parser.add_argument("--val", type=whole_number(1, 9999), default=200, help="number of validation images")
    for name, default in Recipe._field_defaults.items():
        option = "--" + name.replace("_", "-")
        if isinstance(default, tuple):
            ends = {"nargs": 2, "metavar": ("MIN", "MAX")}
            parser.add_argument(option, type=positive_float, **ends, default=default, help=HELP[name])
        else:
            parser.add_argument(option, type=TYPES.get(name, fraction), default=default, help=HELP[name])
    add_workers_argument(parser)
    return parser


def check(args):
    """Raises InputError on ranges that cannot be drawn."""
    greatest = min(args.height, args.width) / 2
    for name, limit in (("salient_radius", greatest), ("non_salient_radius", greatest), ("non_salient_blend", 1)):
        low, high = getattr(args, name)
        if not low <= high <= limit:
            option, found = name.replace("_", "-"), f"{low:g} {high:g}"
            raise InputError(f"--{option}: expected two ascending numbers above 0, at most {limit:g}, found {found}")


def write_example(data, id, example):
    """The image is written last: where it exists, the example is complete."""
    write_indexed(data.ground_truth_path(id), example.ground_truth)
    write_grey(data.saliency_path(id), example.saliency)
    with atomic(data.image_path(id)) as partial_file:
        Image.fromarray(example.image).save(partial_file, format="JPEG", quality=95, subsampling=0)


def make_example(split_and_index, data, seed, recipe):
    """Draws and writes one example unless it is there; returns its line of the list."""
    id = example_id(*split_and_index)
    if not all(map(is_complete, (data.image_path(id), data.saliency_path(id), data.ground_truth_path(id)))):
        write_example(data, id, draw_example(seed, *split_and_index, recipe))
    classes = np.unique(read_indexed(data.ground_truth_path(id)))[1:] - 1
    return f"{id} {' '.join(map(str, classes))}\n"


def run(args):
    check(args)
    write_text(args.out / "classes.txt", "".join(f"{name}\n" for name in CLASSES))
    for folder in ("JPEGImages", "SegmentationClass", "saliency", "lists"):
        (args.out / folder).mkdir(exist_ok=True)
    recipe = Recipe(**{name: getattr(args, name) for name in Recipe._fields})
    make = partial(make_example, data=DataSet(args.out), seed=args.seed, recipe=recipe)
    items = [(split, index) for split in SPLITS for index in range(getattr(args, split))]
    lines = list(for_each(make, items, args.workers, "draw"))
    write_text(args.out / "lists" / "train.txt", "".join(lines[: args.train]))
    write_text(args.out / "lists" / "val.txt", "".join(lines[args.train :]))
    size = f"{args.width}x{args.height}"
    return f"{args.train} training and {args.val} validation images of {len(CLASSES)} classes, {size}"


def write_text(path, text):
    with atomic(path) as partial_file:
        partial_file.write_text(text)


if __name__ == "__main__":
    main(arguments(), run, one_process=True)
