"""Refined seeds for IRN from class maps: a strict and a loose background, each through a dense CRF (IRN, CVPR 2019).

Reads <maps>/<id>_<class>.png, writes <out>/<id>.png: 0 background, 1..C, 255 where the two disagree.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.crf.dense import add_crf_arguments, dense_crf, memory_of, resolve_backend, stays_on_device
from common.files.dataset import DataSet, Item, reads
from common.files.images import IGNORE_INDEX, write_indexed
from common.files.label_rules import label_parser, runner, work_of
from common.files.maps import read_maps
from common.training.arguments import add_device_argument
from stages.arguments import fraction
from stages.command import main
from stages.files import InputError
from stages.parallel import MemoryLimit, cores, for_each

if TYPE_CHECKING:
    import torch

    Array = np.ndarray | torch.Tensor

CRF = {  # for labels, as published; predictions have others, common.crf.dense.DEFAULTS
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
    absolute: bool = False,
    **crf: Any,
) -> np.ndarray:
    """The refined seed of one image (IRN, CVPR 2019; thresholds of FBR's published code for image-level labels).

    image: uint8 (H, W, 3), RGB. maps: {0-based class: uint8 (H, W)} of the image's own classes. `strict` and `loose`
    are the scores of the background, in 0..1 beside maps with the maximum 1, or with `absolute` beside maps / 255.
    `crf`: parameters of common.crf.dense.dense_crf that differ from CRF's, `backend` among them.
    Returns uint8 (H, W): class + 1 where the strict background leaves an object, 0 where both find background, 255
    elsewhere.
    """
    both = cut_twice(maps, image.shape[:2], strict, loose, absolute)
    return agreement(after_crf(image, both, len(maps), confidence, **crf), maps)


def cut_twice(
    maps: dict[int, np.ndarray], size: tuple[int, int], strict: float, loose: float, absolute: bool = False
) -> np.ndarray:
    """Cut the maps of an image of `size` (H, W) at both backgrounds, see refine_seed: uint8 (2, H, W).

    0 is background, 1 the lowest class, 2 the next, ….
    """
    scores = np.empty((1 + len(maps), *size), np.float32)  # of the background first
    for row, cls in zip(scores[1:], sorted(maps)):
        np.divide(maps[cls], 255 if absolute else maps[cls].max() + np.float32(1e-5), out=row)
    both = np.empty((2, *size), np.uint8)
    for label, background in zip(both, (strict, loose)):
        scores[0] = background
        label[:] = scores.argmax(0)  # the background wins ties, then the lowest class
    return both


def after_crf(image: Array, both: Array, classes: int, confidence: float, **crf: Any) -> Array:
    """Labels of `cut_twice`, each after the dense CRF: int64 (2, H, W). image: uint8 (H, W, 3); arrays, or tensors."""
    return dense_crf(image, label_probabilities(both, 1 + classes, confidence), **CRF | crf).argmax(1)


def agreement(both: np.ndarray, classes: Iterable[int]) -> np.ndarray:
    """The seed, see refine_seed, of integer labels (2, H, W), as those of `cut_twice` for maps of these classes."""
    strict, loose = np.array([0, *(cls + 1 for cls in sorted(classes))], np.uint8)[both]
    return np.where((strict == 0) & (loose > 0), np.uint8(IGNORE_INDEX), strict)


def label_probabilities(labels: Array, count: int, confidence: float) -> Array:
    """Turn labels uint8 (S, H, W), 0..count - 1, into float32 (S, count, H, W): `confidence`, the rest shared."""
    others = (1 - confidence) / max(1, count - 1)
    if hasattr(labels, "detach"):
        import torch

        result = torch.full((len(labels), count, *labels.shape[1:]), others, device=labels.device)
        return result.scatter_(1, labels[:, None].long(), confidence)
    classes = np.arange(count, dtype=np.uint8)[:, None, None]
    return np.where(labels[:, None] == classes, np.float32(confidence), np.float32(others))


def parser() -> ArgumentParser:
    parser = label_parser(__doc__, maps="folder of class maps (cls.infer)")
    for name, default, meaning in [
        ("strict", 0.3, "background score that leaves only sure objects"),
        ("loose", 0.05, "background score that leaves only sure background; at most --strict"),
        ("confidence", 0.7, "probability of a pixel's label before the CRF; the image's other labels share the rest"),
    ]:
        parser.add_argument(f"--{name}", type=fraction, default=default, help=meaning)
    parser.add_argument(
        "--absolute",
        action="store_true",
        help="do not divide each map by its maximum first: for maps that are scores already (cls.infer_amn)",
    )
    add_crf_arguments(parser, CRF)
    add_device_argument(parser)
    return parser


def crf_of(args: Namespace) -> dict[str, Any]:
    """dense_crf's parameters, by name."""
    return {name: getattr(args, f"crf_{name}") for name in (*CRF, "backend")}


def make_label(args: Namespace, dataset: DataSet, item: Item) -> np.ndarray:
    """The refined seed of an image, from the maps of its classes."""
    image = dataset.image(item.id)
    maps = read_maps(args.maps, item, image.shape[:2])
    return refine_seed(image, maps, args.strict, args.loose, args.confidence, args.absolute, **crf_of(args))


def memory(args: Namespace, dataset: DataSet) -> MemoryLimit:
    """Memory limit of the processes: each needs the memory of an image's CRF."""

    def of(item: Item) -> int:
        height, width = dataset.image_size(item.id)
        return memory_of(args.crf_backend, height * width, 2 * (1 + len(item.classes)))  # both backgrounds at once

    return MemoryLimit(args.crf_memory * 2**30, of)


write_seeds = runner(make_label, maps=["maps"], memory=memory)


def read(args: Namespace, dataset: DataSet, items: list[Item]) -> tuple[str, list[int], torch.Tensor, torch.Tensor]:
    """Read the one image in `items` for a GPU: its id, the classes with a map, the image and its `cut_twice`."""
    import torch

    (item,) = items
    image = dataset.image(item.id)
    maps = read_maps(args.maps, item, image.shape[:2])
    both = cut_twice(maps, image.shape[:2], args.strict, args.loose, args.absolute)
    return item.id, sorted(maps), torch.tensor(image), torch.from_numpy(both)


def labels_on_device(
    args: Namespace, dataset: DataSet, items: list[Item], device: torch.device
) -> Iterator[tuple[str, list[int], np.ndarray]]:
    """Yield (id, classes with a map, `after_crf` as uint8) of each image. Meanwhile a GPU computes the next."""
    from common.training import device as devices
    from common.training.loading import in_order, make_loader

    def labels() -> Iterator[tuple[tuple[str, list[int]], torch.Tensor]]:
        batches, workers = in_order(len(items), 1), min(16, args.workers)  # workers for the CRF on a CPU may be more
        loader = make_loader(items, batches, workers, device, partial(read, args, dataset))
        for id, classes, *tensors in loader:
            image, both = (tensor.to(device, non_blocking=True) for tensor in tensors)
            yield (id, classes), after_crf(image, both, len(classes), args.confidence, **crf_of(args)).byte()

    for (id, classes), both in devices.pipelined(labels()):
        yield id, classes, both.numpy()


def write(out: Path, output: tuple[str, list[int], np.ndarray]) -> None:
    """Write the seed of an item of `labels_on_device`."""
    id, classes, both = output
    write_indexed(out / f"{id}.png", agreement(both, classes))


def write_seeds_on_device(args: Namespace, device: torch.device) -> str:
    """Write the seeds that are missing, with the CRF on a GPU; returns a summary."""
    dataset, items, todo = work_of(args, ["maps"])
    outputs = labels_on_device(args, dataset, todo, device)
    for_each(partial(write, args.out), outputs, cores(), args.out.name, len(todo))
    return f"{len(items)} labels"


def run(args: Namespace) -> str:
    """Write the seeds that are missing; returns a summary."""
    from common.training import device as devices

    if args.loose > args.strict:
        raise InputError(f"--loose {args.loose}: expected at most --strict {args.strict}")
    device = devices.select_device(args.device)
    if stays_on_device(device, crf_of(args)):
        return write_seeds_on_device(args, device)
    return write_seeds(args)


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"), resolve=resolve_backend)
