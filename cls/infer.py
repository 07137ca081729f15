"""Write the CAMs of a classifier, or the OA-CAMs of an integral attention model (paper 3.1).

One 8-bit grey map <out>/<id>_<class>.png for each class that the image has, at the network's resolution. --scales and
--flip sum the rectified maps of an image in several sizes and of their mirror images, as IRN does (CVPR 2019).
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from common.files.dataset import DataSet, reads
from common.files.images import is_complete, write_grey
from common.files.maps import map_path
from common.training.arguments import add_device_arguments
from stages import distributed, interruption
from stages.arguments import positive_int, scale, whole_number
from stages.command import main, stage_parser
from stages.files import InputError
from stages.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np
    import torch

    from cls.model import Classifier

    CAM = Callable[[Classifier, torch.Tensor], torch.Tensor]  # as `cam`


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__)
    parser.add_argument(
        "--weights",
        type=Path,
        required=True,
        help="weights.pth of cls.train or fbr.train (CAM), or of cls.train_iam (OA-CAM)",
    )
    parser.add_argument("--batch-size", type=positive_int, default=16, help="images per forward pass")
    parser.add_argument(
        "--input-size",
        type=whole_number(8, 8192),
        help="side of the square that images are resized to, as in training (default: from the weight file, else 256)",
    )
    parser.add_argument(
        "--scales",
        type=scale,
        nargs="+",
        default=[1.0],
        help="input scales, relative to --input-size, whose maps are summed; IRN and FBR: 1 0.5 1.5 2",
    )
    parser.add_argument(
        "--flip", action="store_true", help="also sum the maps of the mirrored images, as IRN and FBR do"
    )
    add_device_arguments(parser)
    return parser


def load_network(path: Path, input_size: int | None = None) -> tuple[Classifier, int]:
    """Load the network of a weight file, in eval mode, and its input size: the file's, else `input_size`, else 256.

    Raises InputError if the file does not hold a classifier or an integral attention model, or one that was trained
    with another input size.
    """
    from cls.model import build
    from common.training import checkpoint

    content = checkpoint.load(path)
    if not isinstance(content.get("arch"), dict) or "network" not in content["arch"]:
        raise InputError(f"{path}: expected weights of cls.train or cls.train_iam")
    with checkpoint.prefix_errors(path):
        network = build(**content["arch"])
    trained = network.arch.input_size  # None in published files
    if trained and input_size and trained != input_size:
        raise InputError(f"{path}: expected the --input-size that it was trained with, {trained}, found {input_size}")
    checkpoint.load_into(network, content, path)
    return network.eval(), trained or input_size or 256


def input_sizes(input_size: int, scales: list[float], output_stride: int = 8) -> list[int]:
    """Side of an image at each of the scales: rounded, at least 8 and a pixel of the features."""
    return [max(8, output_stride, round(factor * input_size)) for factor in scales]


def cam(network: Classifier, inputs: torch.Tensor) -> torch.Tensor:
    """Class maps of normalised images: float32 (B, 3, S, S) -> (B, C, h, w), not yet rectified (paper 3.1)."""
    return network(inputs)


def class_maps(network: Classifier, images: list[torch.Tensor], side: int, flip: bool, cam: CAM) -> torch.Tensor:
    """Sum the rectified class maps of a batch in several sizes, and of the mirror images if `flip` (IRN, CVPR 2019).

    images: for each size S, uint8 (B, S, S, 3), RGB. Returns float32 (B, C, side, side); smaller and larger maps are
    resized bilinearly, and those of mirror images are mirrored back before.
    """
    from torch.nn.functional import interpolate

    from common.files.preprocess import normalise

    rectified = []
    for image in images:
        inputs = normalise(image, "torchvision")  # (B, 3, S, S)
        maps = [cam(network, inputs)]  # (B, C, h, w)
        if flip:
            maps.append(cam(network, inputs.flip(3)).flip(3))
        rectified += [map_.float().relu() for map_ in maps]
    same_size = (m if m.shape[2] == side else interpolate(m, (side, side), mode="bilinear") for m in rectified)
    return sum(same_size)


def to_uint8(map_: torch.Tensor) -> np.ndarray:
    """Rectify a class map, scale its maximum to 255, and truncate: float32 (h, w) -> uint8 (h, w)."""
    map_ = map_.relu()
    return (map_ / (map_.max() + 1e-8) * 255).byte().numpy()


def run(args: Namespace, cam: CAM = cam) -> str:
    """Write the maps of the images that lack some; returns a summary. `cam` makes them, for instance by Grad-CAM."""
    import torch

    from cls.dataset import InferenceImages
    from common.training import device as devices
    from common.training.loading import in_order, make_loader

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    share = distributed.shard(items)
    done = [all(is_complete(map_path(args.out, item.id, cls)) for cls in item.classes) for item in share]
    # the batches of an uninterrupted run, without the complete ones: rounding depends on the composition of a batch
    batches = in_order(len(share), args.batch_size)
    batches = [batch for batch in batches if not all(done[index] for index in batch)]
    device = devices.select_device(args.device, args.deterministic, args.tf32)
    network, input_size = load_network(args.weights, args.input_size)
    network = devices.to_device(network, device)
    stride = network.arch.output_stride
    images = InferenceImages(dataset, share, input_sizes(input_size, args.scales, stride))
    loader = make_loader(images, batches, args.workers, device)
    side = input_size // stride

    def outputs() -> Iterator[tuple[list[int], torch.Tensor]]:
        for batch in loader:
            with torch.no_grad(), devices.autocast(device, args.amp):
                on_device = [each.to(device, non_blocking=True) for each in batch["images"]]
                maps = class_maps(network, on_device, side, args.flip, cam)
            yield batch["index"].tolist(), maps

    with interruption.deferred(), progress_bar(args.out.name, sum(map(len, batches))) as bar:
        for indices, batch_maps in devices.pipelined(outputs()):
            for index, image_maps in zip(indices, batch_maps):  # (C, h, w)
                for cls in share[index].classes:
                    write_grey(map_path(args.out, share[index].id, cls), to_uint8(image_maps[cls]))
            bar.update(len(indices))
            interruption.check()
    return f"{len(items)} images, {sum(len(item.classes) for item in items)} maps"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
