"""Run a label rule: its parser, its checks, and its output folder, filled in parallel, image by image.

A rule is one file, such as those of pseudo/: a pure function on arrays, a parser with its few arguments, and
`make_label(args, dataset, item)`. docs/own_rule.md shows a new one. A command that makes class maps of an image has
`write_maps` instead of `runner`.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from common.files.dataset import DataSet, Item
from common.files.dataset import reads as selection_of
from common.files.images import is_complete, write_indexed
from common.files.maps import has_all, require_maps
from stages import command, distributed
from stages.parallel import MemoryLimit, add_workers_argument, for_each

MakeLabel = Callable[[Namespace, DataSet, Item], np.ndarray]


def label_parser(doc: str, **folders: str) -> ArgumentParser:
    """A parser for a rule: the arguments of every stage, --workers, and the folders that the rule reads.

    `doc`, the module's docstring, is the head of its --help. `folders` says what each holds, by the argument's name:
    `oa_cam="folder of OA-CAMs"` is `--oa-cam DIR`, required.
    """
    parser = command.stage_parser(doc)
    for name, meaning in folders.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True, help=meaning)
    add_workers_argument(parser)
    return parser


def runner(
    make_label: MakeLabel, maps: Sequence[str] = (), memory: Callable[[Namespace, DataSet], MemoryLimit] | None = None
) -> Callable[[Namespace], str]:
    """The `run(args)` of a rule: write <out>/<id>.png for every image of the split that has none yet.

    `make_label(args, dataset, item)` gives the label of an image, uint8 (H, W): 0 background, 1 to C, 255 ignore. It
    must be a function of a module, for worker processes to import. `maps` names the arguments that are folders of class
    maps <id>_<class>.png: one without any map of the split's images is an InputError. `memory(args, dataset)` gives the
    memory limit of the processes and the need of an Item; a rule on a few arrays of the image's size does not need it.
    """
    return partial(_write_labels, make_label, maps, memory)


def main(
    parser: ArgumentParser, run: Callable[[Namespace], str], reads: Sequence[str] = ("images", "saliency")
) -> None:
    """Run a rule as a command. `reads` names the parts of the data set that count as its input, beside the list."""
    command.main(parser, run, reads=selection_of(*reads))


def has_label(folder: Path, item: Item) -> bool:
    """Whether the label of an image is there and complete."""
    return is_complete(folder / f"{item.id}.png")


def work_of(
    args: Namespace, maps: Sequence[str], is_done: Callable[[Path, Item], bool] = has_label
) -> tuple[DataSet, list[Item], list[Item]]:
    """The data set, the split's images, and those of this process's share that are not done in <out>.

    `maps` as for `runner`. Raises InputError as it does.
    """
    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    for name in maps:
        require_maps(getattr(args, name), items)
    todo = [item for item in distributed.shard(items) if not is_done(args.out, item)]
    return dataset, items, todo


def write_maps(write: Callable[[Namespace, DataSet, Item], None], maps: Sequence[str], args: Namespace) -> str:
    """Have `write(args, dataset, item)` write <out>/<id>_<class>.png of the images that lack some; returns a summary.

    `maps` as for `runner`, and `write` a function of a module likewise. Raises InputError as it does.
    """
    dataset, items, todo = work_of(args, maps, has_all)
    for_each(partial(write, args, dataset), todo, args.workers, args.out.name)
    return f"{len(items)} images, {sum(len(item.classes) for item in items)} maps"


def _write_labels(make_label, maps, memory, args):
    dataset, items, todo = work_of(args, maps)
    limits = memory and memory(args, dataset)
    write = partial(_write, make_label, args, dataset)
    for_each(write, todo, args.workers, args.out.name, memory=limits)
    return f"{len(items)} labels"


def _write(make_label, args, dataset, item):
    write_indexed(args.out / f"{item.id}.png", make_label(args, dataset, item))
