"""Potential object mining (POM): background that a CAM attends to becomes "ignore" (paper 3.2, Eq. 5-7).

Reads the initial labels and <cam>/<id>_<class>.png, writes the pseudo labels <out>/<id>.png.
"""

from argparse import ArgumentParser, Namespace

import numpy as np

from common.files.dataset import DataSet, Item
from common.files.label_rules import label_parser, main, runner
from common.files.maps import attention_table, look_up, normalise, read_maps
from stages.arguments import fraction


def class_threshold_plain(cam: np.ndarray, selected: np.ndarray, background_threshold: float = 0.3) -> float:
    """The definition of T_c (Eq. 5 and 6); `class_threshold` is the fast form of it.

    cam: uint8 (H, W). selected: bool (H, W), where the label holds the class.
    Returns the median attention over the selected pixels (Eq. 5). If they carry none: the median of those of all values
    above T_bg that exceed their median (Eq. 6, the paper's "top quartile"), NaN if there are none of these, which no
    attention exceeds; 1 if nothing is above T_bg.
    """
    attention = normalise(cam)  # float64 (H, W) in [0, 1]
    values = attention[selected]
    if values.sum() != 0:
        return np.median(values)
    values = attention[attention > background_threshold]
    if not values.size:
        return 1.0
    upper = values[values > np.median(values)]
    return np.median(upper) if upper.size else np.nan


def class_threshold(cam: np.ndarray, selected: np.ndarray, background_threshold: float = 0.3) -> float:
    """T_c as `class_threshold_plain` defines it, from the numbers of pixels at each of the 256 levels of a CAM."""
    attention = attention_table(cam)  # of each level, ascending
    counts = np.bincount(cam[selected], minlength=256)
    if counts[attention > 0].any():
        return _median(attention, counts)  # Eq. 5
    counts = np.bincount(cam.ravel(), minlength=256)
    counts[attention <= background_threshold] = 0  # Eq. 6: the values above T_bg …
    if not counts.any():
        return 1.0
    counts[attention <= _median(attention, counts)] = 0  # … and of these the ones above their median
    return _median(attention, counts) if counts.any() else np.nan


def _median(values, counts):
    """The median of `counts[i]` pixels of `values[i]` each, `values` ascending; the mean of the middle two if even."""
    total = counts.sum()
    below, above = np.searchsorted(counts.cumsum(), [(total - 1) // 2, total // 2], side="right")
    return (values[below] + values[above]) / 2


def mine_potential_objects_plain(
    label: np.ndarray, cams: dict[int, np.ndarray], background_threshold: float = 0.3
) -> np.ndarray:
    """The definition of POM (Eq. 7); `mine_potential_objects` is the fast form, with the same arguments and result."""
    pseudo = label.copy()
    for cls, cam in cams.items():
        threshold = class_threshold_plain(cam, label == cls + 1, background_threshold)
        pseudo[(label == 0) & (normalise(cam) > threshold)] = 255
    return pseudo


def mine_potential_objects(
    label: np.ndarray, cams: dict[int, np.ndarray], background_threshold: float = 0.3
) -> np.ndarray:
    """The pseudo label of one image, as `mine_potential_objects_plain` defines it, several times faster.

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


def parser() -> ArgumentParser:
    parser = label_parser(
        __doc__, label="folder of initial labels (pseudo.background)", cam="folder of CAMs (cls.infer)"
    )
    parser.add_argument("--background-threshold", type=fraction, default=0.3, help="T_bg of Eq. 6")
    return parser


def make_label(args: Namespace, dataset: DataSet, item: Item) -> np.ndarray:
    """The pseudo label of an image, from its initial label and the CAMs of its classes."""
    label = dataset.checked_label(args.label / f"{item.id}.png", item.id)
    return mine_potential_objects(label, read_maps(args.cam, item, label.shape), args.background_threshold)


run = runner(make_label, maps=["cam"])

if __name__ == "__main__":
    main(parser(), run, reads=("images",))
