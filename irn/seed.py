"""Refined seeds for IRN from class maps: a strict and a loose background, each through a dense CRF (IRN, CVPR 2019).

Reads <maps>/<id>_<class>.png, writes <out>/<id>.png: 0 background, 1..C, 255 where the two disagree.
"""

from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np

from common.crf import BACKENDS, add_memory_argument, choose_backend, dense_crf, memory_of
from common.dataset import DataSet, Item, reads
from common.images import IGNORE_INDEX
from common.maps import read_maps
from pseudo.labels import label_parser, runner
from stages.arguments import fraction, natural, positive_int
from stages.command import main
from stages.files import InputError
from stages.parallel import MemoryLimit

CRF = {  # of labels, as published; for predictions there are others, common.crf.DEFAULTS
    "iterations": 10,
    "gaussian_sxy": 3,
    "gaussian_weight": 3,
    "bilateral_sxy": 50,
    "bilateral_srgb": 5,
    "bilateral_weight": 10,
}


def refine_seed(
    image: np.ndarray,
    maps: dict[int, np.ndarray],
    strict: float = 0.3,
    loose: float = 0.05,
    confidence: float = 0.7,
    **crf: Any,
) -> np.ndarray:
    """The refined seed of one image (IRN, CVPR 2019; thresholds of FBR's published code for image-level labels).

    image: uint8 (H, W, 3), RGB. maps: {0-based class: uint8 (H, W)} of the image's own classes. `strict` and `loose`
    are the scores of the background, in 0..1 beside maps with the maximum 1. `crf`: parameters of common.crf.dense_crf
    that differ from CRF's, `backend` among them.
    Returns uint8 (H, W): class + 1 where the strict background leaves an object, 0 where both find background, 255
    elsewhere. Raises ValueError if a map does not have the image's size.
    """
    if any(map_.shape != image.shape[:2] for map_ in maps.values()):
        raise ValueError("image and maps must have the same size")
    classes = sorted(maps)
    scores = np.empty((1 + len(classes), *image.shape[:2]), np.float32)  # of the background first
    for row, cls in zip(scores[1:], classes):
        np.divide(maps[cls], maps[cls].max() + np.float32(1e-5), out=row)
    values = np.array([0, *(cls + 1 for cls in classes)], np.uint8)

    def probabilities(background):
        scores[0] = background
        labels = scores.argmax(0)  # the background wins ties, then the lowest class
        return label_probabilities(labels, len(scores), confidence)

    both = np.stack([probabilities(strict), probabilities(loose)])
    strict_label, loose_label = values[dense_crf(image, both, **CRF | crf).argmax(1)]
    return np.where((strict_label == 0) & (loose_label > 0), np.uint8(IGNORE_INDEX), strict_label)


def label_probabilities(labels: np.ndarray, count: int, confidence: float) -> np.ndarray:
    """Turn labels int (H, W), 0..count - 1, into float32 (count, H, W): `confidence`, and the rest for the others."""
    others = (1 - confidence) / max(1, count - 1)
    return np.where(labels == np.arange(count)[:, None, None], np.float32(confidence), np.float32(others))


def parser() -> ArgumentParser:
    """Parser of the command's arguments."""
    parser = label_parser(__doc__, maps="folder of class maps (cls.infer)")
    for name, default, meaning in [
        ("strict", 0.3, "score of the background that leaves only sure objects"),
        ("loose", 0.05, "score of the background that leaves only sure background; at most --strict"),
        ("confidence", 0.7, "probability of a pixel's label before the CRF; the image's other labels share the rest"),
    ]:
        parser.add_argument(f"--{name}", type=fraction, default=default, help=meaning)
    for name, value in CRF.items():
        number = positive_int if "_s" in name else natural  # a standard deviation, or iterations and weights
        parser.add_argument(
            f"--crf-{name.replace('_', '-')}", type=number, default=value, help="of the CRF, as published"
        )
    parser.add_argument(
        "--crf-backend",
        choices=list(BACKENDS),
        default="auto",
        help="this project's own or pydensecrf; auto takes pydensecrf if it is installed. The choice is recorded",
    )
    add_memory_argument(parser)
    return parser


def settle(args: Namespace, recorded: dict[str, Any] | None) -> dict[str, Any]:
    """Choose the CRF's backend for --crf-backend auto: the recorded one, else the one that this machine has."""
    if args.crf_backend != "auto":
        return {}
    return {"crf_backend": (recorded or {}).get("crf_backend") or choose_backend("auto")}


def make_label(args: Namespace, dataset: DataSet, item: Item) -> np.ndarray:
    """The refined seed of an image, from the maps of its classes."""
    image = dataset.image(item.id)
    maps = read_maps(args.maps, item, image.shape[:2])
    crf = {name: getattr(args, f"crf_{name}") for name in (*CRF, "backend")}
    return refine_seed(image, maps, args.strict, args.loose, args.confidence, **crf)


def memory(args: Namespace, dataset: DataSet) -> MemoryLimit:
    """What the processes may take, and what one takes for an image: that of its CRF."""

    def of(item: Item) -> int:
        height, width = dataset.image_size(item.id)
        return memory_of(args.crf_backend, height * width, 2 * (1 + len(item.classes)))  # both backgrounds at once

    return MemoryLimit(args.crf_memory * 2**30, of)


write_seeds = runner(make_label, maps=["maps"], memory=memory)


def run(args: Namespace) -> str:
    """Write the seeds that are missing; returns a summary."""
    if args.loose > args.strict:
        raise InputError(f"--loose {args.loose}: expected at most --strict {args.strict}")
    return write_seeds(args)


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"), settle=settle)
