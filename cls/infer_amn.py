"""Write the maps of an AMN (cls.train_amn or fbr.train_amn), as its published code makes them.

One 8-bit grey map <out>/<id>_<class>.png for each class that the image has, of the image's size: its probability, and
where the seeds say anything but background, the same from its minimum to its maximum over the image. With --dump-float
an image's maps are one file, <out>/<id>.npy, at a quarter of its size, too, where IRN reads them. They are scores as
they are: irn.seed takes them with --absolute. A command beside cls.infer, because the network reads labels and seeds,
knows background, and its logits of several sizes are averaged.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from common.files.dataset import DataSet, Item, reads
from common.files.images import is_complete, write_grey
from common.files.maps import has_all, map_path, npy_path
from common.files.npy_maps import write_npy
from common.training.arguments import add_device_arguments
from stages import distributed
from stages.arguments import positive_int, scale
from stages.command import main, stage_parser
from stages.parallel import cores, for_each

if TYPE_CHECKING:
    import torch

    from cls.amn import AMN

BATCH_SIZES = {"cpu": 1, "cuda": 8}  # on a CPU a batch of 8 takes 1.6 times as long


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="weights.pth of cls.train_amn or fbr.train_amn")
    parser.add_argument("--seeds", type=Path, required=True, help="folder of the seeds that it was trained on")
    sizes = f"{BATCH_SIZES['cuda']} on a GPU, {BATCH_SIZES['cpu']} on a CPU"
    parser.add_argument(
        "--batch-size", type=positive_int, help=f"images, of equal size, per forward pass (default: {sizes})"
    )
    parser.add_argument(
        "--scales", type=scale, nargs="+", default=[1.0, 0.5, 1.5, 2.0], help="input scales, relative to the image"
    )
    parser.add_argument(
        "--published-dropout",
        action="store_true",
        help="leave dropout on, as the published code does; the maps are then random, and not reproducible if resumed",
    )
    parser.add_argument(
        "--dump-float", action="store_true", help="write <id>.npy, in floating point as AMN does, instead of PNGs"
    )
    add_device_arguments(parser)
    return parser


def logits_of(network: AMN, images: list[torch.Tensor], labels: torch.Tensor) -> list[torch.Tensor]:
    """Mean logits of a batch and of its mirror images in each of its sizes: float32 (B, C + 1, h, w).

    images: for each size, uint8 (B, h, w, 3), RGB; labels (B, C) of 0 and 1.
    """
    import torch

    from common.files.preprocess import normalise

    found = []
    for image in images:
        x = normalise(image, "torchvision")
        logits, mirrored = network(torch.cat([x, x.flip(3)]), labels.repeat(2, 1)).logits.float().chunk(2)
        found.append((logits + mirrored.flip(3)) / 2)
    return found


def scores(logits: list[torch.Tensor], seeds: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Scores of all classes at `size` (h, w), float32 (B, C, h, w) from 0 to 1, as published.

    logits float32 (B, C + 1, ., .) in several sizes, background first, of which the mean counts; seeds uint8 (B, H, W):
    0 background, 1..C, 255 undecided. The scores are the probabilities, and where the seed is not 0, these scaled from
    their minimum and maximum over the image to 0 and 1.
    """
    from cls.map_files import total_at

    probabilities = (total_at(logits, size) / len(logits)).softmax(1)[:, 1:]
    low, high = probabilities.amin((2, 3), keepdim=True), probabilities.amax((2, 3), keepdim=True)
    scaled = (probabilities - low) / (high - low + 1e-5)
    return scaled.where(resize_nearest(seeds, size)[:, None] > 0, probabilities)


def resize_nearest(seeds: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Resize seeds (B, H, W) to `size` (h, w) by nearest neighbours, as Pillow does: (B, h, w)."""
    import torch

    for axis, length in enumerate(size, 1):
        pixels = (2 * torch.arange(length, device=seeds.device) + 1) * seeds.shape[axis] // (2 * length)
        seeds = seeds.index_select(axis, pixels)
    return seeds


def write(out: Path, output: tuple[Item, list[np.ndarray]]) -> None:
    """Write the maps of an item's K classes: uint8 (K, H, W), or two of float32, at a quarter of the size and at it."""
    item, stacks = output
    if len(stacks) == 2:
        write_npy(npy_path(out, item.id), list(item.classes), *stacks)
    else:
        for cls, map_ in zip(item.classes, *stacks, strict=True):
            write_grey(map_path(out, item.id, cls), map_)


def run(args: Namespace) -> str:
    """Write the maps of the images that lack some; returns a summary."""
    import torch

    from cls.amn import build
    from cls.dataset import SeededImages
    from cls.map_files import STRIDE, part_of
    from common.training import checkpoint
    from common.training import device as devices
    from common.training.loading import batches_of_one_size, make_loader

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    share = distributed.shard(items)
    done = [is_complete(npy_path(args.out, item.id)) if args.dump_float else has_all(args.out, item) for item in share]
    sizes = (dataset.image_size(item.id) for item in share)
    device = devices.select_device(args.device, args.deterministic, args.tf32)
    batches = list(batches_of_one_size(sizes, args.batch_size or BATCH_SIZES[device.type], done))
    network = checkpoint.load_network(args.weights, build, "cls.train_amn or fbr.train_amn", "amn")
    network = devices.to_device(network, device)
    network.dropout.train(args.published_dropout)
    images = SeededImages(dataset, share, args.scales, network.arch.output_stride, args.seeds)
    loader = make_loader(images, batches, args.workers, device)

    def outputs() -> Iterator[tuple[tuple[Item, list[torch.Size]], torch.Tensor]]:
        """An image, the shapes of its maps, (K, h, w) of each size, and these maps in a row."""
        for batch in loader:
            tensors = (*batch["images"], batch["label"], batch["seed"])
            *on_device, labels, seeds = (each.to(device, non_blocking=True) for each in tensors)
            with torch.no_grad(), devices.autocast(device, args.amp):
                logits = logits_of(network, on_device, labels)
            size = tuple(seeds.shape[1:])
            found = [scores(logits, seeds, each) for each in ([part_of(size, STRIDE)] * args.dump_float + [size])]
            for place, item in enumerate(share[index] for index in batch["index"].tolist()):
                maps = [torch.stack([each[place, cls] for cls in item.classes]) for each in found]
                row = torch.cat([each.flatten() for each in maps])
                yield (item, [each.shape for each in maps]), row if args.dump_float else (255 * row).round().byte()

    def maps_of_images() -> Iterator[tuple[Item, list[np.ndarray]]]:
        for (item, shapes), row in devices.pipelined(outputs()):
            parts = np.split(row.numpy(), np.cumsum([prod(shape) for shape in shapes])[:-1])
            yield item, [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]

    processes = 1 if args.dump_float else cores()  # PNGs are compressed
    for_each(partial(write, args.out), maps_of_images(), processes, args.out.name, sum(map(len, batches)))
    return f"{len(items)} images, {sum(len(item.classes) for item in items)} maps"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
