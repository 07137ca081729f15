"""Turns MS COCO 2014 into a data set folder (docs/coco14.md).

--images holds train2014 and val2014, --annotations instances_train2014.json and instances_val2014.json, as their
archives have them. Everything is checked before anything is written, and no image is copied.

  classes.txt                 COCO's 80 categories in the order of their ids, which go from 1 to 90 with gaps
  lists/train.txt, val.txt    by image id; an image has the classes of all its annotations, crowds included
  JPEGImages/<id>.jpg         symbolic links; the id is the file's name: COCO_train2014_000000000009
  SegmentationClass/<id>.png  painted from the annotations: smaller objects lie on top, a crowd is its class
  InstanceMasks/<id>.png      likewise, 1 the largest object, 2 the next, …; 255 where a crowd lies on top
  saliency                    with --saliency: a symbolic link to the folder, which must cover the training images

Images without an annotated object are left out: 82 081 for training and 40 137 for validation remain, as in most of
the published lists. --keep-empty keeps them, 82 783 and 40 504, in lines without a class; stages that learn from
labels refuse such a list. A run that was interrupted paints only what is missing.
"""

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path

from common.files.dataset import DataSet
from common.files.images import image_size
from common.files.instances import MOST
from data.coco import CLASSES, CocoImage, read_images
from data.coco_masks import write_masks
from data.linked import check_saliency, each, link, write_lines
from stages.command import main, stage_parser
from stages.files import InputError
from stages.fingerprints import Selection
from stages.parallel import add_workers_argument, for_each

SPLITS = {"train": ("train2014", "instances_train2014.json"), "val": ("val2014", "instances_val2014.json")}
# Images of train and val, with --keep-empty or without: the lists published with AMN and RIB, and with EPS and ToCo.
PUBLISHED = {True: {"train": 82783, "val": 40504}, False: {"train": 82081, "val": 40137}}


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__, data=False)
    add = parser.add_argument
    add("--images", type=Path, required=True, help="folder with train2014 and val2014")
    add("--annotations", type=Path, required=True, help="folder with instances_train2014.json and _val2014.json")
    add("--saliency", type=Path, help="folder of <id>.png, 8-bit grey, each of its image's size")
    add("--keep-empty", action="store_true", help="keep the images without an annotated object")
    crowds = "what crowds become in SegmentationClass: their class, or 255 where no object lies"
    add("--crowds", choices=("class", "ignore"), default="class", help=crowds)
    add_workers_argument(parser)
    return parser


def reads(args: Namespace) -> dict[str, Selection]:
    """What the stage reads: the annotations. Images and maps are linked alone: the stages that see them count them."""
    found = {"annotations": Selection(["instances"], [name for _, name in SPLITS.values()])}
    found["images"] = Selection(["names and sizes"], [])
    if args.saliency:
        found["saliency"] = Selection(["names and sizes"], [])
    return found


def read_splits(annotations: Path) -> dict[str, list[CocoImage]]:
    """{"train": images, "val": images}, all of them. Raises InputError, also if an image is in both."""
    splits = {name: read_images(annotations / file) for name, (_, file) in SPLITS.items()}
    if common := {image.id for image in splits["train"]} & {image.id for image in splits["val"]}:
        raise InputError(f"{annotations / SPLITS['val'][1]}: {min(common)} is an image of train, too")
    for name, (_, file) in SPLITS.items():
        if not any(image.objects for image in splits[name]):
            raise InputError(f"{annotations / file}: expected at least one image with an object")
    return splits


def say(file: Path, images: Sequence[CocoImage]) -> None:
    """Print what of the annotations of a split is in no mask."""
    without = sum(each.runs is None and not each.polygons for image in images for each in image.objects)
    if without:
        print(f"{file}: {without} objects have no polygon of three points; they count for the labels alone")
    for image in images:
        if (count := sum(not each.is_crowd for each in image.objects)) > MOST:
            print(f"{file}: {image.id} has {count} objects; the {count - MOST} smallest are 255 in InstanceMasks")


def check_images(folder: Path, images: Sequence[CocoImage]) -> None:
    """Raises InputError unless the files of all images are there and of the annotations' sizes."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected --images to hold train2014 and val2014")
    each(partial(check_image, folder), images, f"images of {folder.name}")


def check_image(folder: Path, image: CocoImage) -> None:
    """Raises InputError unless the image's file is there and of the annotations' size; reads the header only."""
    path = folder / f"{image.id}.jpg"
    height, width = image_size(path)
    if (height, width) != (image.height, image.width):
        raise InputError(f"{path}: expected the annotations' size {image.width}x{image.height}, found {width}x{height}")


def link_images(out: Path, folder: Path, images: Sequence[CocoImage]) -> None:
    """Make symbolic links with absolute targets to the images of a split."""
    out.mkdir(exist_ok=True)
    folder = folder.resolve()
    for image in images:
        path = out / f"{image.id}.jpg"
        path.unlink(missing_ok=True)  # of an earlier run that was interrupted
        path.symlink_to(folder / path.name)


def counts_table(found: dict[str, list[CocoImage]], kept: dict[str, list[CocoImage]], keep_empty: bool) -> str:
    """What was found in each split, a line a quantity, with the published numbers beside it where there are some."""
    rows = {name: [] for name in ("", "images", "without object", "simple", "complex", *CLASSES)}
    for split, images in kept.items():
        classes = [image.classes for image in images]
        empty = sum(not image.objects for image in found[split])
        simple, several = sum(len(own) == 1 for own in classes), sum(len(own) > 1 for own in classes)
        held = Counter(chain.from_iterable(classes))
        numbers = [split, len(images), empty, simple, several, *(held[index] for index in range(len(CLASSES)))]
        published = ["published", PUBLISHED[keep_empty][split], PUBLISHED[True][split] - PUBLISHED[False][split]]
        for row, *cells in zip_longest(rows.values(), numbers, published, fillvalue="-"):
            row += cells
    width = max(map(len, rows))
    return "\n".join(f"{name:<{width}}" + "".join(f"{number:>11}" for number in row) for name, row in rows.items())


def run(args: Namespace) -> str:
    """Write what is missing; returns a summary. Raises InputError before anything is written."""
    found = read_splits(args.annotations)
    splits = {name: [image for image in images if image.objects or args.keep_empty] for name, images in found.items()}
    for name, (folder, file) in SPLITS.items():
        say(args.annotations / file, splits[name])
        check_images(args.images / folder, splits[name])
    if args.saliency:
        sizes = {image.id: (image.height, image.width) for image in splits["train"]}
        check_saliency(args.saliency, list(sizes), sizes)

    write_lines(args.out / "classes.txt", CLASSES)
    if args.saliency:
        link(args.out / "saliency", args.saliency)
    data = DataSet(args.out)
    for folder in ("SegmentationClass", "InstanceMasks", "lists"):
        (args.out / folder).mkdir(exist_ok=True)
    for name, images in splits.items():
        link_images(args.out / "JPEGImages", args.images / SPLITS[name][0], images)
    images = [image for images in splits.values() for image in images]
    for _ in for_each(partial(write_masks, data, args.crowds == "ignore"), images, args.workers, "painting"):
        pass
    for name, images in splits.items():
        lines = (" ".join([image.id, *map(str, image.classes)]) for image in images)
        write_lines(args.out / "lists" / f"{name}.txt", lines)
    print(counts_table(found, splits, args.keep_empty))
    return ", ".join(f"{name} {len(images)}" for name, images in splits.items()) + " images"


if __name__ == "__main__":
    main(parser(), run, reads=reads, one_process=True)
