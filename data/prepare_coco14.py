"""Makes a data set folder from MS COCO 2014 (docs/coco14.md).

--images holds train2014 and val2014, --annotations instances_train2014.json and instances_val2014.json, as in COCO's
archives. Everything is checked before anything is written. Images are linked, not copied.

  classes.txt                 COCO's 80 categories in the order of their ids, which go from 1 to 90 with gaps
  lists/train.txt, val.txt    by image id; an image has the classes of all its annotations, including crowds
  JPEGImages/<id>.jpg         symbolic links; an id is a file name: COCO_train2014_000000000009
  SegmentationClass/<id>.png  painted from the annotations: smaller objects lie on top, a crowd is its class
  InstanceMasks/<id>.png      likewise, 1 the largest object, 2 the next, …; 255 where a crowd lies on top
  saliency                    with --saliency: a symbolic link to the folder, which must cover the training images

Images without an annotated object are left out: 82 081 for training and 40 137 for validation remain, as in most of
the published lists. --keep-empty keeps them, 82 783 and 40 504, in lines without a class; stages that learn from
labels refuse such a list. An interrupted run resumes with the masks that are missing.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from common.files.dataset import DataSet
from common.files.images import check_size, image_size
from common.files.instances import MOST
from data.coco import CocoImage, read_images, write_masks
from data.linked import check_pngs, counts, for_all, link, table
from stages.command import main, stage_parser
from stages.files import InputError, write_lines
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
    crowds = "paint a crowd in SegmentationClass as its class, or as 255 where no object lies"
    add("--crowds", choices=("class", "ignore"), default="class", help=crowds)
    add_workers_argument(parser)
    return parser


def reads(args: Namespace) -> dict[str, Selection]:
    """The annotations. Images and maps are only linked: the stages that read them count them as their inputs."""
    selected = {"annotations": Selection(["instances"], [name for _, name in SPLITS.values()])}
    selected["images"] = Selection(["names and sizes"], [])
    if args.saliency:
        selected["saliency"] = Selection(["names and sizes"], [])
    return selected


def read_splits(annotations: Path) -> tuple[list[str], dict[str, list[CocoImage]]]:
    """The class names and {"train": images, "val": images}. Raises InputError, also if an image is in both."""
    (classes, train), (others, val) = (read_images(annotations / file) for _, file in SPLITS.values())
    path = annotations / SPLITS["val"][1]
    if classes != others:
        raise InputError(f"{path}: expected the categories of the training images")
    if common := {image.id for image in train} & {image.id for image in val}:
        raise InputError(f"{path}: {min(common)} is an image of train, too")
    splits = {"train": train, "val": val}
    for name, (_, file) in SPLITS.items():
        if not any(image.objects for image in splits[name]):
            raise InputError(f"{annotations / file}: expected at least one image with an object")
    return classes, splits


def report_objects_without_masks(file: Path, images: Sequence[CocoImage]) -> None:
    """Print which objects of a split are in no mask."""
    without = sum(thing.runs is None for image in images for thing in image.objects)
    if without:
        print(f"{file}: {without} objects have no polygon of three points; they count for the labels alone")
    for image in images:
        if (count := sum(not thing.is_crowd for thing in image.objects)) > MOST:
            print(f"{file}: {image.id} has {count} objects; the {count - MOST} smallest are 255 in InstanceMasks")


def check_images(folder: Path, images: Sequence[CocoImage]) -> None:
    """Raises InputError unless the files of all images are there and of the annotations' sizes."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected --images to hold train2014 and val2014")

    def check(image):  # reads the header only
        path = folder / f"{image.id}.jpg"
        check_size(path, image_size(path), (image.height, image.width), "the annotations'")

    for_all(check, images, f"images of {folder.name}")


def counts_table(classes: list[str], splits: dict[str, list[CocoImage]], keep_empty: bool) -> str:
    """The counts of each split, with the number of images in the published lists beside them."""
    columns = []
    for split, images in splits.items():
        columns.append([split, len(images), *counts([image.classes for image in images], len(classes))])
        columns.append(["published", PUBLISHED[keep_empty][split]])
    return table(["", "images", "simple", "complex", *classes], columns)


def run(args: Namespace) -> str:
    """Write what is missing; returns a summary. Raises InputError before anything is written."""
    classes, splits = read_splits(args.annotations)
    splits = {name: [image for image in images if image.objects or args.keep_empty] for name, images in splits.items()}
    for name, (folder, file) in SPLITS.items():
        report_objects_without_masks(args.annotations / file, splits[name])
        check_images(args.images / folder, splits[name])
    if args.saliency:
        sizes = {image.id: (image.height, image.width) for image in splits["train"]}
        check_pngs(args.saliency, list(sizes), sizes, "L")

    write_lines(args.out / "classes.txt", classes)
    if args.saliency:
        link(args.out / "saliency", args.saliency.resolve())
    data = DataSet(args.out)
    for folder in ("JPEGImages", "SegmentationClass", "InstanceMasks", "lists"):
        (args.out / folder).mkdir(exist_ok=True)
    for name, images in splits.items():
        folder = (args.images / SPLITS[name][0]).resolve()
        for image in images:
            link(data.image_path(image.id), folder / f"{image.id}.jpg")
    images = [image for images in splits.values() for image in images]
    for_each(partial(write_masks, data, args.crowds == "ignore"), images, args.workers, "painting")
    for name, images in splits.items():
        lines = (" ".join([image.id, *map(str, image.classes)]) for image in images)
        write_lines(args.out / "lists" / f"{name}.txt", lines)
    print(counts_table(classes, splits, args.keep_empty))
    return ", ".join(f"{name} {len(images)}" for name, images in splits.items()) + " images"


if __name__ == "__main__":
    main(parser(), run, reads=reads, one_process=True)
