"""Makes a data set folder from a folder of photographs and a table of tags (docs/data.md).

The photographs are PNG, JPEG or WebP, with any names. The table is CSV in UTF-8 with the columns file and tags, the
tags separated by ";"; other columns are ignored. An upright JPEG, grey or RGB, is copied byte for byte; any other
photograph is turned as its EXIF orientation says and becomes a JPEG of quality 95. Everything is checked before
anything is written.

  classes.txt             all tags, sorted, or the lines of --classes
  lists/train.txt         the images with tags, except those of
  lists/val.txt           --val: a share of the images, about the same for each class; each class keeps a training image
  saliency/<id>.png       --saliency: the map <id>.png or <name of the photograph>.png, resized to the image, and turned
                          with it if it still lies on its side
  SegmentationClass/<id>.png  --ground-truth: found by the same names, an indexed PNG of the upright photograph's size
  names.csv               file and id of every image whose name is not a valid id

If there are saliency maps, each training image needs one; ground truth is always optional. With --ground-truth, the
validation images are taken from those that have it; that of training images is used only if all of them have it.
"""

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from common.files.dataset import DataSet
from common.files.photographs import PhotographFolder, describe, write_names
from data.conversion import Job, fault_of, files_of, missing, write
from data.tags import Tagged, choose_validation, class_names, read_tags, tagged
from stages.arguments import fraction, positive_int, random_seed
from stages.command import main, stage_parser
from stages.files import InputError, cite, write_lines
from stages.fingerprints import Selection
from stages.parallel import add_workers_argument, for_each, map_each


class Plan(NamedTuple):
    """The data set to be made."""

    folder: PhotographFolder
    classes: list[str]
    items: list[Tagged]  # with tags; the data set
    val: list[str]  # their ids for validation, sorted
    jobs: list[Job]  # one an item
    left_out: dict[str, list[str]]  # {why: names of files}


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__, data=False)
    add = parser.add_argument
    add("--images", type=Path, required=True, help="folder of photographs; sub-folders are ignored")
    add("--tags", type=Path, required=True, help="CSV with the columns file and tags: beach.png,person;dog")
    add(
        "--classes",
        type=Path,
        help="text file with the class names in their order, one a line; required by --ground-truth",
    )
    add("--saliency", type=Path, help="folder of saliency maps, grey PNGs")
    add("--ground-truth", type=Path, help="folder of indexed PNGs: 0 background, 1, 2, … as in --classes, 255 ignored")
    add(
        "--longest",
        type=positive_int,
        metavar="N",
        help="shrink images to a longer side of at most N pixels; VOC's have 500",
    )
    add("--val", type=fraction, default=0.1, help="share of the images that go to lists/val.txt; 0 for no such list")
    add("--seed", type=random_seed, default=0, help="random seed that chooses the validation images")
    add_workers_argument(parser)
    return parser


def make_plan(args: Namespace) -> Plan:
    """Read folder and table and find each image's files. Raises InputError if they do not fit or are incomplete."""
    if args.ground_truth and not args.classes:
        raise InputError("--ground-truth: expected --classes beside it, which says what its values mean")
    folder = PhotographFolder(args.images)
    tags = read_tags(args.tags)
    classes = class_names(tags, args.tags, args.classes)
    listed = tagged(folder.photographs, tags, classes, args.tags)
    items = [item for item in listed if item.classes]
    stems = Counter(each.path.stem for each in folder.photographs)
    saliency = companions(args.saliency, items, stems)
    truth = companions(args.ground_truth, items, stems)
    used = {item.id for item in items}
    val = choose_validation(items, truth if args.ground_truth else used, args.val, args.seed)
    training = used - val
    if missing_maps := sorted(training - saliency.keys()) if args.saliency else []:
        names = cite([f"{id}.png" for id in missing_maps])
        raise InputError(f"{args.saliency}: expected a map of each training image, missing are {names}")
    in_vain = [] if training <= truth.keys() else sorted(training & truth.keys())
    left_out = {
        f"not in {args.tags}, left out": sorted({each.path.name for each in folder.photographs} - names_of(listed)),
        "without tags, left out": sorted(names_of(listed) - names_of(items)),
        "ground truth left out, as not every training image has some": in_vain,
    }
    taken = {id: path for id, path in truth.items() if id not in in_vain}
    jobs = [Job(item.id, item.path, saliency.get(item.id), taken.get(item.id)) for item in items]
    return Plan(folder, classes, items, sorted(val), jobs, left_out)


def names_of(items: Iterable[Tagged]) -> set[str]:
    """The names of the files of items."""
    return {item.path.name for item in items}


def companions(folder: Path | None, items: Iterable[Tagged], stems: Counter) -> dict[str, Path]:
    """{id: file} of the items that have a PNG in a folder, named after the id or, if no other has it, the photograph.

    Raises InputError if the folder cannot be read or has none of any item.
    """
    if folder is None:
        return {}
    try:
        there = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); expected a folder of <id>.png") from None
    found = {}
    for item in items:
        names = [f"{item.id}.png"] + [f"{item.path.stem}.png"] * (stems[item.path.stem] == 1)
        if name := next((name for name in names if name in there), None):
            found[item.id] = folder / name
    if not found:
        raise InputError(f"{folder}: expected <id>.png of at least one image of the table, found none")
    return found


def reads(args: Namespace) -> dict[str, Selection]:
    """The files of its folders that the stage reads: those of images with tags."""
    jobs = make_plan(args).jobs
    names = {"images": [job.photograph.name for job in jobs]}
    for option in ("saliency", "ground_truth"):
        if getattr(args, option):
            names[option] = [path.name for job in jobs if (path := getattr(job, option))]
    return {option: Selection(["of images with tags"], each) for option, each in names.items()}


def report(plan: Plan) -> None:
    """Print which files of the folder the data set leaves out or renames."""
    describe(plan.folder, plan.items)
    for title, names in plan.left_out.items():
        if names:
            print(f"{plan.folder.root}: {title} ({len(names)}): {cite(names)}")


def check(plan: Plan, jobs: list[Job], workers: int) -> None:
    """Raises InputError, which counts the faults of all files and cites the first, if there are any."""
    found = map_each(partial(fault_of, len(plan.classes)), jobs, workers, "checking")
    if faults := [fault for fault in found if fault]:
        count = f"{len(faults)} images cannot be used: " if len(faults) > 1 else ""
        raise InputError(count + cite(faults, "; "))


def run(args: Namespace) -> str:
    """Write what is missing; returns a summary. Raises InputError before anything is written."""
    plan = make_plan(args)
    report(plan)
    jobs = missing(args.out, plan.jobs)
    check(plan, jobs, args.workers)
    write_lines(args.out / "classes.txt", plan.classes)
    data = DataSet(args.out)
    for folder in {path.parent for job in plan.jobs for path in files_of(data, job)} | {args.out / "lists"}:
        folder.mkdir(exist_ok=True)
    for_each(partial(write, data, args.longest), jobs, args.workers, "writing")
    lines = {item.id: " ".join([item.id, *map(str, item.classes)]) for item in plan.items}
    splits = {"train": [lines[id] for id in lines if id not in plan.val], "val": [lines[id] for id in plan.val]}
    for name, each in splits.items():
        if each:
            write_lines(args.out / "lists" / f"{name}.txt", each)
    write_names(args.out / "names.csv", plan.items)
    counts = ", ".join(f"{len(each)} in lists/{name}.txt" for name, each in splits.items() if each)
    return f"{len(plan.classes)} classes; images: {counts}"


if __name__ == "__main__":
    main(parser(), run, reads=reads, one_process=True)
