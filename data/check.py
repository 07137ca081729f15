"""Reads a whole data set folder and reports what is in it and what is wrong with it.

Prints for each split the number of images, simple ones (one class), complex ones (several), those with saliency and
with ground truth, and those of each class; then the faults by kind, citing the first three of each. Every image,
saliency map and ground truth that a list names is decoded, and so are masks of context and of instances if there are
any. Nothing is written.

Saliency is needed for the images of lists whose name begins with "train". --no-saliency ignores it. Of the maps as a
whole it prints where they are bright and how much of them reaches the thresholds of the method.
Worth a look but no fault, as the images may be like that: ground truth that shows other classes than the image-level
labels (annotators differ); maps of one value other than 0 (all zero is a fault: most often a mask gone wrong); many
maps that reach a threshold nowhere or nearly everywhere.
Exit status: 0 without faults, 1 with faults, 2 if the folder cannot be read as a data set.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from common.files.dataset import DataSet, numbered_lines
from common.files.images import IGNORE_INDEX, check_size, check_values, read_grey, read_indexed, read_rgb
from common.files.instances import classes_beneath
from data import check_saliency
from data.check_saliency import CONSTANT, measure
from data.linked import counts, table
from stages.command import HelpFormatter, exit_on_input_error
from stages.files import CITED, InputError
from stages.parallel import add_workers_argument, map_each

LABELS_DIFFER = "ground truth that shows other classes than the lists"


class Job(NamedTuple):
    """One image, in all lists that name it."""

    id: str
    classes: tuple  # its 0-based classes in the lists; empty if none has any
    in_training: bool


def show(title, found):
    """Print how many messages there are of each kind, and the first few; `found` are (kind, message)."""
    kinds = {}
    for kind, message in found:
        kinds.setdefault(kind, []).append(message)
    print(f"\n{title}" if kinds else f"\n{title}: none")
    for kind, messages in kinds.items():
        print(f"  {kind}: {len(messages)}")
        for message in messages[:CITED]:
            print(f"    {message}")
        if len(messages) > CITED:
            print(f"    and {len(messages) - CITED} more")


def check(root, workers, saliency=True):
    """Print the report on the data set folder `root` (Path), with its saliency or without. Returns whether it is sound.

    Raises InputError if classes.txt or all lists are missing, or a list is not text.
    """
    data = DataSet(root)
    faults, remarks, maps = [], [], []
    splits = read_lists(data, faults)
    print(f"{root}: {len(data.classes)} classes\n\n{counts_table(data, splits, saliency)}", flush=True)

    jobs = jobs_of(splits, faults)
    for own_faults, own_remarks, measures in map_each(partial(inspect, data, saliency), jobs, workers, "checking"):
        faults += own_faults
        remarks += own_remarks
        maps += [measures] if measures else []
    if saliency:
        print(f"\n{check_saliency.summary(maps)}")
    faults += check_saliency.faults(maps)
    remarks += check_saliency.remarks(maps)
    if remarks:
        show("worth a look", remarks)
    show("faults", faults)
    return not faults


def read_lists(data, faults):
    """{split: [Item, …]} of all lists; the lines that cannot be used go to `faults` instead."""
    paths = sorted((data.root / "lists").glob("*.txt"))
    if not paths:
        raise InputError(f"{data.root / 'lists'}: expected at least one list, <split>.txt")
    splits = {}
    for path in paths:
        items, lines = {}, numbered_lines(path)
        for number, line in lines:
            where = f"lists/{path.name} line {number}"
            try:
                item = data.parse_line(line, where)
            except InputError as error:
                faults.append(("lines that cannot be used", str(error)))
                continue
            if item.id in items:
                faults.append(("images listed twice", f"{where}: {item.id}"))
            items.setdefault(item.id, item)
        splits[path.stem] = list(items.values())
        if not lines:
            faults.append(("lists without an image", f"lists/{path.name}"))
        if any(item.classes for item in items.values()):  # or else it is a test split, which has ids alone
            for item in items.values():
                if not item.classes:
                    faults.append(("images listed without a class", f"lists/{path.name}: {item.id}"))
    return splits


def jobs_of(splits, faults):
    """One Job for each image, however many lists name it."""
    jobs = {}
    for split, items in splits.items():
        for id, classes in items:
            known = jobs.get(id, Job(id, (), False))
            if classes and known.classes and classes != known.classes:
                faults.append(("images with different classes in two lists", f"lists/{split}.txt: {id}"))
            jobs[id] = Job(id, known.classes or classes, known.in_training or split.startswith("train"))
    return list(jobs.values())


def counts_table(data, splits, saliency):
    """The counts of each split."""
    folders = {"with saliency": "saliency"} if saliency else {}
    folders["with ground truth"] = "SegmentationClass"
    if (data.root / "InstanceMasks").is_dir():
        folders["with instances"] = "InstanceMasks"
    there = [{path.name for path in (data.root / name).glob("*.png")} for name in folders.values()]
    columns = []
    for split, items in splits.items():
        covered = [sum(f"{item.id}.png" in names for item in items) for names in there]
        labels = [item.classes for item in items if item.classes]
        columns.append([split, len(items), *covered, *(counts(labels, len(data.classes)) if labels else [])])
    return table(["", "images", *folders, "simple", "complex", *data.classes], columns)


def inspect(data, saliency, job):
    """Decodes what belongs to one image, its `saliency` or not, in a process of its own.

    Returns its faults and remarks, lists of (kind, message), and the Measures of its map, None without a usable one.
    """
    faults, remarks = [], []
    image = read("image", read_rgb, data.image_path(job.id), faults)
    size = None if image is None else image.shape[:2]
    measures = check_map(data, job, size, faults, remarks) if saliency else None

    truth = read_mask("ground truth", data.ground_truth_path(job.id), size, faults)
    if truth is not None:
        check_classes(data, job, data.ground_truth_path(job.id), truth, faults, remarks)
    instances = read_mask("instances", data.instances_path(job.id), size, faults)
    if instances is not None and truth is not None and instances.shape == truth.shape:
        check_instances(data.instances_path(job.id), instances, truth, faults)
    context = read_mask("context", data.context_path(job.id), size, faults)
    if context is not None:
        kind, path = "context values out of range", data.context_path(job.id)
        attempt(faults, kind, check_values, path, context, len(data.classes), may_ignore=False)
    return faults, remarks, measures


def check_map(data, job, size, faults, remarks):
    """Check a saliency map that is there or needed. Returns its Measures, or None."""
    path = data.saliency_path(job.id)
    if not (job.in_training or path.exists()):
        return None
    saliency = read("saliency", read_grey, path, faults)
    if saliency is None:
        return None
    if size:
        attempt(faults, "saliency of another size", check_size, path, saliency.shape, size)
    if not saliency.any():
        faults.append(("saliency all zero", str(path)))
        return None
    if saliency.min() == saliency.max():
        remarks.append((CONSTANT, f"{path}: {saliency.max()} everywhere"))
    return measure(saliency)


def read_mask(what, path, size, faults):
    """The indexed PNG of a mask that need not be there; None without a usable one."""
    if not path.exists():
        return None
    mask = read(what, read_indexed, path, faults)
    if mask is not None and size:
        attempt(faults, f"{what} of another size", check_size, path, mask.shape, size)
    return mask


def read(what, reader, path, faults):
    """The array in a file, or None and a fault."""
    try:
        return reader(path)
    except InputError as error:
        if not path.exists():
            problem = "missing"
        else:  # the readers refuse a sound image of another kind with the word "mode"
            problem = "of another format" if "found mode" in str(error) else "unreadable"
        faults.append((f"{what} {problem}", str(error)))


def attempt(faults, kind, check, *arguments, **options):
    """Whether a call raises no InputError, which becomes a fault of this kind."""
    try:
        check(*arguments, **options)
    except InputError as error:
        faults.append((kind, str(error)))
        return False
    return True


def check_classes(data, job, path, truth, faults, remarks):
    """Faults of values that are no class; remarks of classes that are not the image-level labels."""
    if not attempt(faults, "ground truth values out of range", check_values, path, truth, len(data.classes)):
        return
    shown = [int(value) for value in np.unique(truth) if value not in (0, IGNORE_INDEX)]
    if job.classes and tuple(value - 1 for value in shown) != job.classes:
        names = [" ".join(data.classes[c] for c in classes) for classes in ([v - 1 for v in shown], job.classes)]
        remarks.append((LABELS_DIFFER, f"{path}: shows {names[0] or 'nothing'}, listed {names[1]}"))


def check_instances(path, instances, truth, faults):
    """Faults of objects that lie on background or on several classes, the first object of each kind."""
    found = {}
    for number, values in classes_beneath(instances, truth).items():
        if 0 in values:
            found.setdefault("instances on background", f"{path}: expected no number on background, found {number}")
        elif len(values) > 1:
            shown = f"found {' '.join(map(str, values))} below {number}"
            found.setdefault("instances of several classes", f"{path}: expected one class for a number, {shown}")
    faults += found.items()


def main(arguments=None):
    parser = argparse.ArgumentParser("python -m data.check", description=__doc__, formatter_class=HelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="data set folder (docs/data.md)")
    parser.add_argument("--no-saliency", action="store_true", help="ignore saliency maps; none are needed")
    add_workers_argument(parser)
    args = parser.parse_args(arguments)
    with exit_on_input_error("data.check"):
        sys.exit(0 if check(args.data, args.workers, not args.no_saliency) else 1)


if __name__ == "__main__":
    main()
