"""What the three label stages share: the 1 % rule, and their output folder, filled in parallel, image by image."""

import functools

import numpy as np

from common import distributed
from common.files import is_complete, write_indexed
from common.parallel import for_each


def ignore_if_almost_empty(label, share=0.01):
    """The 1 % rule: a label (H, W) with objects on less than `share` of all its pixels is 255 everywhere."""
    objects = np.count_nonzero((label > 0) & (label < 255))
    return np.full_like(label, 255) if objects / label.size < share else label


def write_labels(args, make_label, items):
    """Writes `make_label(item)`, a uint8 (H, W) label, to <out>/<id>.png for every image that does not have one yet."""
    todo = [item for item in distributed.shard(items) if not is_complete(args.out / f"{item.id}.png")]
    for _ in for_each(functools.partial(_write, args.out, make_label), todo, args.workers, args.out.name):
        pass
    return f"{len(items)} labels"


def _write(out, make_label, item):
    write_indexed(out / f"{item.id}.png", make_label(item))
