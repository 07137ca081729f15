"""Draws the toy data: a small data set with the problems that the paper is about.

Simple images show one class, complex images two or more (paper, section 1). One object is salient: large, near the
centre, opaque. In complex images, the objects of the other classes, and further instances of every class, are not:
they are smaller, lie anywhere, and blend into the background. The saliency map covers the salient object alone, and
not all of it. Any class may be salient or not. Ground truth is exact, for classes and for single objects. The same seed
draws the same pixels on every machine.

With --context, objects lie on a patch that belongs to their class but is background, as rails belong to trains: FBR's
problem, background that occurs together with a class. The masks of these patches go to context/<id>.png, for measuring
only.
"""

from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from common.files.dataset import DataSet
from common.files.images import is_complete, read_indexed, write_grey, write_indexed, write_jpeg
from data.toy_drawing import (
    CLASSES,
    box_blur,
    clip,
    draw_background,
    draw_context,
    draw_object,
    frame,
    number_objects,
    pick,
    smooth_noise,
    to_bytes,
    uniform,
)
from stages.arguments import add_settings, fraction, positive_float, random_seed, setting, settings_of, whole_number
from stages.command import main, stage_parser
from stages.files import InputError, write_lines
from stages.parallel import add_workers_argument, map_each

SPLITS = ("train", "val")
ENDS = {"nargs": 2, "metavar": ("MIN", "MAX")}  # of a range


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The contents of an image. Raises InputError for ranges that cannot be drawn."""

    height: int = setting(96, whole_number(32, 4096), "image height in pixels")
    width: int = setting(128, whole_number(32, 4096), "image width in pixels")
    complex_share: float = setting(0.5, fraction, "probability that an image is complex")
    max_classes: int = setting(
        3,
        whole_number(2, len(CLASSES)),
        f"maximum number of classes in a complex image, 2 to {len(CLASSES)}; it is drawn uniformly from 2",
    )
    extra_instance: float = setting(
        0.6, fraction, "probability of a further, non-salient instance of each class of a complex image"
    )
    salient_radius: tuple[float, float] = setting(
        (17.0, 24.0), positive_float, "radius of salient objects, in pixels", **ENDS
    )
    non_salient_radius: tuple[float, float] = setting(
        (9.0, 15.0), positive_float, "radius of non-salient objects, in pixels", **ENDS
    )
    non_salient_blend: tuple[float, float] = setting(
        (0.4, 0.75), positive_float, "opacity of non-salient objects", **ENDS
    )
    saliency_missing: float = setting(
        0.5, fraction, "probability that the saliency map misses a chunk of the salient object"
    )
    saliency_noise: float = setting(0.5, fraction, "noise in outline and level of the saliency map, 0 to 1")
    saliency_leak: float = setting(
        0.15, fraction, "probability that the saliency map of a complex image covers part of another object"
    )
    context: float = setting(0.0, fraction, "probability that an object lies on the context of its class")
    context_alone: float = setting(
        0.0, fraction, "probability that an image has the context of a class that it does not show"
    )

    def __post_init__(self):
        greatest = min(self.height, self.width) / 2
        for name, limit in (("salient_radius", greatest), ("non_salient_radius", greatest), ("non_salient_blend", 1)):
            low, high = getattr(self, name)
            if not low <= high <= limit:
                expected = f"two ascending numbers above 0, at most {limit:g}, found {low:g} {high:g}"
                raise InputError(f"--{name.replace('_', '-')}: expected {expected}")


class Example(NamedTuple):
    image: np.ndarray  # uint8 (H, W, 3), RGB
    ground_truth: np.ndarray  # uint8 (H, W), 0 background, 1..C
    saliency: np.ndarray  # uint8 (H, W)
    context: np.ndarray  # uint8 (H, W), 0 none, 1..C where the background is a class's context
    instances: np.ndarray  # uint8 (H, W), 0 background, 1..N the objects that can be seen, in the order of drawing


class Placed(NamedTuple):
    """An object in an image."""

    c: int  # its class, 0-based
    circle: tuple  # (row, column, radius)
    mask: np.ndarray  # bool (H, W)


RECIPE = Recipe()  # the default


def draw_example(seed, split, index, recipe=RECIPE):
    """Image number `index` (from 0) of a split ("train" or "val"); depends on its four arguments alone."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    size = recipe.height, recipe.width
    is_complex = rng.random() < recipe.complex_share
    classes = _choose_classes(rng, int(rng.integers(2, recipe.max_classes + 1)) if is_complex else 1)
    image = draw_background(rng, size)
    context = np.zeros(size, np.uint8)
    if has_context(recipe):
        objects, _ = _draw_objects(deepcopy(rng), image.copy(), classes, recipe)  # a rehearsal: where they will be
        context_rng = np.random.default_rng([seed, SPLITS.index(split), index, 1])  # leaves all else as without context
        _draw_contexts(context_rng, image, context, objects, recipe)
    (salient, *others), ground_truth = _draw_objects(rng, image, classes, recipe)
    context[ground_truth > 0] = 0
    leak = pick(rng, others).mask & ~salient.mask if others and rng.random() < recipe.saliency_leak else None
    saliency = _draw_saliency(rng, salient.mask, leak, salient.circle, recipe)
    instances = number_objects([each.mask for each in (*others, salient)])
    return Example(to_bytes(rng, image), ground_truth, saliency, context, instances)


def has_context(recipe):
    """Whether images may have context, and the data set its masks."""
    return recipe.context > 0 or recipe.context_alone > 0


def _draw_objects(rng, image, classes, recipe):
    """Draws an image's objects in place: list of Placed, the salient one first, and ground truth, uint8 (H, W)."""
    ground_truth = np.zeros(image.shape[:2], np.uint8)
    circles, others = [_salient_circle(rng, recipe)], []
    if len(classes) > 1:
        extra = [c for c in classes if rng.random() < recipe.extra_instance]
        for c in classes[1:] + extra:
            circles.append(_free_circle(rng, recipe, circles))
            opacity = uniform(rng, *recipe.non_salient_blend)
            others.append(Placed(c, circles[-1], _draw_class(rng, image, ground_truth, c, circles[-1], opacity)))
    mask = _draw_class(rng, image, ground_truth, classes[0], circles[0], 1.0)  # last: nothing covers it
    return [Placed(classes[0], circles[0], mask), *others], ground_truth


def _draw_contexts(rng, image, context, objects, recipe):
    """Draws into image and context, in place, the context of an absent class and those of the `objects`, or not."""
    patches, absent = [], sorted(set(range(len(CLASSES))) - {each.c for each in objects})
    if absent and rng.random() < recipe.context_alone:
        c = pick(rng, absent)
        radius = uniform(rng, recipe.non_salient_radius[0], recipe.salient_radius[1])
        patches.append((c, recipe.height * rng.random(), recipe.width * rng.random(), radius))
    for c, (row, column, radius), _ in objects:
        if rng.random() < recipe.context:  # below the object and to a side, as the ground is
            down, right = radius * uniform(rng, 0.2, 0.8), radius * uniform(rng, -0.7, 0.7)
            patches.append((c, row + down, column + right, radius))
    for c, *circle in patches:
        context[draw_context(rng, image, c, *circle)] = c + 1


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
    """A map as of a saliency detector, uint8 (H, W): `salient` without some chunks, perhaps with part of `leak`.

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


def arguments():
    parser = stage_parser(__doc__, data=False)
    parser.add_argument("--seed", type=random_seed, default=0, help="random seed of the images")
    parser.add_argument("--train", type=whole_number(1, 9999), default=600, help="number of training images")
    parser.add_argument("--val", type=whole_number(1, 9999), default=200, help="number of validation images")
    add_settings(parser, Recipe)
    add_workers_argument(parser)
    return parser


def files_of(data, id, recipe):
    """The files of one example, including the mask of context if the recipe has context."""
    files = [data.image_path(id), data.saliency_path(id), data.ground_truth_path(id), data.instances_path(id)]
    return files + [data.context_path(id)] if has_context(recipe) else files


def write_example(data, id, example, recipe):
    """The image is written last: where it exists, the example is complete."""
    if has_context(recipe):
        write_indexed(data.context_path(id), example.context)
    write_indexed(data.instances_path(id), example.instances)
    write_indexed(data.ground_truth_path(id), example.ground_truth)
    write_grey(data.saliency_path(id), example.saliency)
    write_jpeg(data.image_path(id), example.image)


def make_example(split_and_index, data, seed, recipe):
    """Draws and writes one example unless it is there; returns its line of the list."""
    id = "{}_{:04d}".format(*split_and_index)
    if not all(map(is_complete, files_of(data, id, recipe))):
        write_example(data, id, draw_example(seed, *split_and_index, recipe), recipe)
    classes = np.unique(read_indexed(data.ground_truth_path(id)))[1:] - 1
    return " ".join([id, *map(str, classes)])


def run(args):
    recipe = settings_of(args, Recipe)
    write_lines(args.out / "classes.txt", CLASSES)
    for folder in ("JPEGImages", "SegmentationClass", "InstanceMasks", "saliency", "lists"):
        (args.out / folder).mkdir(exist_ok=True)
    if has_context(recipe):
        (args.out / "context").mkdir(exist_ok=True)
    make = partial(make_example, data=DataSet(args.out), seed=args.seed, recipe=recipe)
    items = [(split, index) for split in SPLITS for index in range(getattr(args, split))]
    lines = list(map_each(make, items, args.workers, "draw"))
    write_lines(args.out / "lists" / "train.txt", lines[: args.train])
    write_lines(args.out / "lists" / "val.txt", lines[args.train :])
    size = f"{args.width}x{args.height}"
    return f"{args.train} training and {args.val} validation images of {len(CLASSES)} classes, {size}"


if __name__ == "__main__":
    main(arguments(), run, one_process=True)
