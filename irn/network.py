"""Class boundaries and displacements of whole images, by a network of irn.train, for irn.walk and irn.instances."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from common.files.dataset import DataSet, Item
from common.files.images import is_complete
from common.training.arguments import add_device_arguments
from irn.architecture import STRIDE
from stages import distributed
from stages.arguments import fraction, positive_float, positive_int, whole_number
from stages.command import stage_parser
from stages.parallel import cores, for_each

if TYPE_CHECKING:
    import numpy as np
    import torch

    # an image, its size (H, W), and its scores after the walk, float32 (N, h, w) at stride 4
    Walked = tuple[Item, tuple[int, int], np.ndarray]


BATCH_SIZES = {"cpu": 8, "cuda": 32}  # the walk is thousands of small kernels, which few images do not fill


class Found(NamedTuple):
    """The network's output for a batch of B images, on its device; (h, w) is the size of the padded images at stride 4.

    `sizes` are those of the images, (H, W) in pixels. `boundary` is float32 (B, h, w) in [0, 1], 1 outside the image;
    `displacement` is float32 (B, 2, h, w), rows and columns.
    """

    items: list[Item]
    sizes: list[tuple[int, int]]
    boundary: torch.Tensor
    displacement: torch.Tensor


def walk_parser(doc: str) -> ArgumentParser:
    """Parser of a command that walks over maps; `doc` is its docstring. The defaults are the published code's."""
    parser = stage_parser(doc)
    parser.add_argument("--maps", type=Path, required=True, help="folder of class maps (cls.infer)")
    parser.add_argument("--weights", type=Path, required=True, help="weights.pth of irn.train")
    sizes = f"{BATCH_SIZES['cuda']} on a GPU, {BATCH_SIZES['cpu']} on a CPU"
    parser.add_argument("--batch-size", type=positive_int, help=f"images in a batch, at most (default: {sizes})")
    parser.add_argument(
        "--background",
        type=fraction,
        default=0.25,
        help="background score, as a share of the image's largest score",
    )
    parser.add_argument("--radius", type=whole_number(2, 64), default=5, help="radius of a step, in pixels at stride 4")
    parser.add_argument("--beta", type=positive_float, default=10, help="exponent of the affinities")
    parser.add_argument(
        "--exponent", type=whole_number(0, 16), default=8, help="log2 of the number of steps of the random walk"
    )
    add_device_arguments(parser, amp=False)  # the walk's powers of boundaries make bfloat16's rounding visible
    return parser


def map_size(size: Sequence[int]) -> tuple[int, int]:
    """(h, w) of the maps of an image of `size` = (H, W), at stride 4."""
    return tuple(-(-side // STRIDE) for side in size)


def find(
    args: Namespace, dataset: DataSet, share: list[Item], done: Sequence[bool], device: torch.device
) -> Iterator[Found]:
    """Yield the outputs of the network of --weights for the batches of `share` that are not all `done`.

    The boundary is the sigmoid of the mean of two logits, the image's and its mirror image's.
    """
    import torch

    from common.files.preprocess import normalise
    from common.training import checkpoint
    from common.training import device as devices
    from common.training.loading import batches_of_one_size, make_loader
    from irn.dataset import PaddedImages
    from irn.model import build

    network = checkpoint.load_network(args.weights, build, "irn.train", "irn")
    network = devices.to_device(network, device)
    images = PaddedImages(dataset, share, network.arch.crop_size)
    sizes = (images.padded_size(dataset.image_size(item.id)) for item in share)
    batches = batches_of_one_size(sizes, args.batch_size or BATCH_SIZES[device.type], done)
    for indices, rgb, rectangles in make_loader(images, batches, args.workers, device, images.collate):
        sizes = [tuple(size) for size in rectangles[:, 2:].tolist()]
        rgb, rectangles = (each.to(device, non_blocking=True) for each in (rgb, rectangles))
        with torch.inference_mode(), devices.autocast(device, args.amp):
            straight = network(normalise(rgb, "torchvision", rectangles))
            mirrored = network(normalise(mirror(rgb, sizes), "torchvision", rectangles))
            map_sizes = [map_size(size) for size in sizes]
            logits = (straight.boundary + mirror(mirrored.boundary, map_sizes, torch.inf)) / 2
        items = [share[index] for index in indices.tolist()]
        yield Found(items, sizes, logits.sigmoid(), straight.displacement)


def mirror(batch: torch.Tensor, sizes: Sequence[tuple[int, int]], outside: float = 0) -> torch.Tensor:
    """Mirror each of (B, H, W, …) within its own size, (height, width), at the top left; the rest becomes `outside`."""
    import torch

    mirrored = torch.full_like(batch, outside)
    for place, (height, width) in enumerate(sizes):
        mirrored[place, :height, :width] = batch[place, :height, :width].flip(1)
    return mirrored


def read_scores(folder: Path, item: Item, size: tuple[int, int]) -> np.ndarray:
    """Read the maps of an image's C' classes at stride 4: float32 (C', h, w) in [0, 1], 0 for a class without file."""
    import numpy as np

    from common.files.maps import read_maps

    height, width = map_size(size)
    maps = read_maps(folder, item, (height, width))
    empty = np.zeros((height, width), np.uint8)
    return np.stack([maps.get(cls, empty) for cls in item.classes]).astype(np.float32) / 255


def at_image_size(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize maps float32 (N, h, w) at stride 4 to the image's size (H, W), bilinear: float32 (N, H, W)."""
    import cv2
    import numpy as np

    whole = STRIDE * maps.shape[2], STRIDE * maps.shape[1]
    large = np.stack([cv2.resize(map_, whole, interpolation=cv2.INTER_LINEAR) for map_ in maps])
    return large[:, : size[0], : size[1]]


def shares_of_largest(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scores float32 (N, h, w) at stride 4, at the image's size (H, W) and divided by their maximum: (N, H, W)."""
    large = at_image_size(scores, size)
    return large / max(large.max(), 1e-5)


def walk_over(
    args: Namespace, outputs: Iterator[Found], maps_of: Callable[[Namespace, Found], list[torch.Tensor]]
) -> Iterator[Walked]:
    """Yield each image's scores after the walk, computed a batch at a time.

    `maps_of(args, found)` gives the maps from which each image of a batch starts, float32 (N, h, w), of which images
    may have different numbers and sizes.
    """
    import torch

    from common.training import device as devices
    from irn.random_walk import walk

    def batches():
        for found in outputs:
            starts, boundary = maps_of(args, found), found.boundary
            maps = torch.zeros(len(starts), max(map(len, starts)), *boundary.shape[1:], pin_memory=boundary.is_cuda)
            for padded, start in zip(maps, starts, strict=True):
                padded[: start.shape[0], : start.shape[1], : start.shape[2]] = start
            scores = walk(maps.to(boundary.device, non_blocking=True), boundary, args.radius, args.beta, args.exponent)
            yield (found.items, found.sizes, [start.shape for start in starts]), scores

    for images, batch_scores in devices.pipelined(batches()):
        for item, size, (count, height, width), scores in zip(*images, batch_scores, strict=True):
            yield item, size, scores[:count, :height, :width].numpy()


def write_walked(
    args: Namespace,
    maps_of: Callable[[Namespace, Found], list[torch.Tensor]],
    write: Callable[[Path, float, Walked], None],
) -> int:
    """Walk over the maps of the images without <out>/<id>.png and write the results; returns the number of images.

    `maps_of` as for `walk_over`; `write(out, background, walked)` runs in worker processes. Raises InputError if --maps
    holds no map of the split, or if device or weights cannot be used.
    """
    from common.files.maps import require_maps
    from common.training import device as devices

    device = devices.select_device(args.device, args.deterministic, args.tf32)
    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    require_maps(args.maps, items)
    share = distributed.shard(items)
    done = [is_complete(args.out / f"{item.id}.png") for item in share]
    outputs = walk_over(args, find(args, dataset, share, done, device), maps_of)
    for_each(partial(write, args.out, args.background), outputs, cores(), args.out.name, done.count(False))
    return len(items)
