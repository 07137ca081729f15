"""Potential object mining (POM): background that a CAM attends to becomes "ignore" (paper 3.2, Eq. 5-7).

Reads the initial labels and <cam>/<id>_<class>.png, writes the pseudo labels <out>/<id>.png.
"""

from functools import partial
from pathlib import Path

import numpy as np

from common.arguments import fraction
from common.cli import main, stage_parser
from common.maps import attention_table, look_up, read_maps, require_maps
from common.parallel import add_workers_argument
from data.layout import DataSet
from pseudo.labels import write_labels


def class_threshold(cam, selected, background_threshold=0.3):
    """T_c of Eq. 5 and 6.

    cam: uint8 (H, W). selected: bool (H, W), where the label holds the class.
    Returns the median attention over the selected pixels; if they carry none, the median of the upper half of all values
    above T_bg, the paper's "top quartile"; NaN, above which there is nothing, if that half is empty.
    """
    attention = attention_table(cam)
    counts = np.bincount(cam[selected], minlength=256)
    if counts[attention > 0].any():
        return _median(attention, counts)
    counts = np.bincount(cam.ravel(), minlength=256)
    counts[attention <= background_threshold] = 0
    if not counts.any():
        return 1.0
    counts[attention <= _median(attention, counts)] = 0
    return _median(attention, counts) if counts.any() else np.nan


def _median(values, counts):
    """The median of `counts[i]` pixels of `values[i]` each, `values` ascending; of an even number, between the middle two."""
    total = counts.sum()
    below, above = np.searchsorted(counts.cumsum(), [(total - 1) // 2, total // 2], side="right")
    return (values[below] + values[above]) / 2


def mine_potential_objects(label, cams, background_threshold=0.3):
    """The pseudo label of one image (Eq. 7).

    label: uint8 (H, W), the initial label. cams: {0-based class: uint8 (H, W)}; a class without a CAM mines nothing.
    Returns uint8 (H, W): the label, with 255 where it was 0 and some CAM exceeds its class's threshold T_c.
    Raises ValueError if a CAM does not have the label's shape.
    """
    potential = np.zeros(label.shape, bool)
    for cls, cam in cams.items():
        if cam.shape != label.shape:
            raise ValueError("label and CAMs must have the same shape")
        threshold = class_threshold(cam, label == cls + 1, background_threshold)
        potential |= look_up(attention_table(cam) > threshold, cam)
    pseudo = label.copy()
    pseudo[(label == 0) & potential] = 255
    return pseudo


def parser():
    parser = stage_parser(__doc__)
    parser.add_argument("--label", type=Path, required=True, help="folder of initial labels (pseudo.background)")
    parser.add_argument("--cam", type=Path, required=True, help="folder of CAMs (cls.infer)")
    parser.add_argument("--background-threshold", type=fraction, default=0.3, help="T_bg of Eq. 6")
    add_workers_argument(parser)
    return parser


def make_label(args, dataset, item):
    label = dataset.checked_label(args.label / f"{item.id}.png", item.id)
    return mine_potential_objects(label, read_maps(args.cam, item, label.shape), args.background_threshold)


def run(args):
    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    require_maps(args.cam, items)
    return write_labels(args, partial(make_label, args, dataset), items)


if __name__ == "__main__":
    main(parser(), run)
