"""Write the maps of an AMN (cls.train_amn or fbr.train_amn), as its published code makes them.

One 8-bit grey map <out>/<id>_<class>.png for each class that the image has, of the image's size: its probability, and
where the seeds say anything but background, the same from its minimum to its maximum over the image. They are scores
as they are: irn.seed takes them with --absolute. A command beside cls.infer, because the network reads labels and
seeds, knows background, and its logits of several sizes are averaged.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from common.files.dataset import DataSet, reads
from common.files.images import write_grey
from common.files.maps import has_all, map_path
from common.training.arguments import add_device_arguments
from stages import distributed, interruption
from stages.arguments import positive_int, scale
from stages.command import main, stage_parser
from stages.progress import progress_bar

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
    add_device_arguments(parser)
    return parser


def mean_logits(network: AMN, images: list[torch.Tensor], labels: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Mean of the logits of a batch in several sizes and of the mirror images: float32 (B, C + 1, H, W), `size` (H, W).

    images: for each size, uint8 (B, h, w, 3), RGB; labels (B, C) of 0 and 1.
    """
    import torch
    from torch.nn.functional import interpolate

    from common.files.preprocess import normalise

    total = 0
    for image in images:
        x = normalise(image, "torchvision")
        logits, mirrored = network(torch.cat([x, x.flip(3)]), labels.repeat(2, 1)).logits.float().chunk(2)
        logits = (logits + mirrored.flip(3)) / 2
        total = total + interpolate(logits, size, mode="bilinear", align_corners=False)
    return total / len(images)


def scores(logits: torch.Tensor, seeds: torch.Tensor) -> torch.Tensor:
    """Scores of all classes, float32 (B, C, H, W) from 0 to 1, as published.

    logits float32 (B, C + 1, H, W), background first; seeds uint8 (B, H, W): 0 background, 1..C, 255 undecided. They
    are the probabilities, and where the seed is not 0, these scaled from their minimum and maximum over the image to 0
    and 1.
    """
    probabilities = logits.softmax(1)[:, 1:]
    low, high = probabilities.amin((2, 3), keepdim=True), probabilities.amax((2, 3), keepdim=True)
    return ((probabilities - low) / (high - low + 1e-5)).where(seeds[:, None] > 0, probabilities)


def run(args: Namespace) -> str:
    """Write the maps of the images that lack some; returns a summary."""
    import torch

    from cls.amn import build
    from cls.dataset import SeededImages
    from common.training import checkpoint
    from common.training import device as devices
    from common.training.loading import batches_of_one_size, make_loader

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    share = distributed.shard(items)
    done = [has_all(args.out, item) for item in share]
    sizes = (dataset.image_size(item.id) for item in share)
    device = devices.select_device(args.device, args.deterministic, args.tf32)
    batches = list(batches_of_one_size(sizes, args.batch_size or BATCH_SIZES[device.type], done))
    network = checkpoint.load_network(args.weights, build, "cls.train_amn or fbr.train_amn", "amn")
    network = devices.to_device(network, device)
    network.dropout.train(args.published_dropout)
    images = SeededImages(dataset, share, args.scales, network.arch.output_stride, args.seeds)
    loader = make_loader(images, batches, args.workers, device)

    def outputs() -> Iterator[tuple[list[int], torch.Tensor]]:  # images, and the maps of their classes uint8 (M, H, W)
        for batch in loader:
            tensors = (*batch["images"], batch["label"], batch["seed"])
            *on_device, labels, seeds = (each.to(device, non_blocking=True) for each in tensors)
            with torch.no_grad(), devices.autocast(device, args.amp):
                logits = mean_logits(network, on_device, labels, seeds.shape[1:])
            indices = batch["index"].tolist()
            of_images = zip(indices, scores(logits, seeds), strict=True)
            own = torch.stack([maps[cls] for index, maps in of_images for cls in share[index].classes])
            yield indices, (255 * own).round().byte()

    with interruption.deferred(), progress_bar(args.out.name, sum(map(len, batches))) as bar:
        for indices, maps in devices.pipelined(outputs()):
            own = [map_path(args.out, share[index].id, cls) for index in indices for cls in share[index].classes]
            for path, map_ in zip(own, maps.numpy(), strict=True):
                write_grey(path, map_)
            bar.update(len(indices))
            interruption.check()
    return f"{len(items)} images, {sum(len(item.classes) for item in items)} maps"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
