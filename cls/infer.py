"""Write the CAMs of a classifier, or the OA-CAMs of an integral attention model (paper 3.1).

One 8-bit grey map <out>/<id>_<class>.png for each class that the image has, at the network's resolution. --scales and
--flip sum the rectified maps of an image in several sizes and of their mirror images, as irn does (CVPR 2019).

Images are resized to squares, except for irn's classifier (cls.train --backbone resnet50) after training on crops: then
they keep their aspect ratio, and maps have a quarter of their size. With --dump-float an image's maps are one file,
<out>/<id>.npy, in irn's layout, which every command that reads maps takes in the place of PNGs.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from common.files.dataset import DataSet, reads
from common.training.arguments import add_device_arguments
from stages import distributed, interruption
from stages.arguments import positive_int, scale, whole_number
from stages.command import main, stage_parser
from stages.files import InputError
from stages.progress import progress_bar

if TYPE_CHECKING:
    import torch

    from cls.model import CAMNetwork

    CAM = Callable[[CAMNetwork, torch.Tensor], torch.Tensor]  # as `cam`


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
        help="side of the square that images are resized to, as in training (default: from the weight file, else 256, "
        "or no squares with irn's classifier)",
    )
    parser.add_argument(
        "--scales",
        type=scale,
        nargs="+",
        default=[1.0],
        help="input scales, relative to --input-size or to the image, whose maps are summed; IRN and FBR: 1 0.5 1.5 2",
    )
    parser.add_argument(
        "--flip", action="store_true", help="also sum the maps of the mirrored images, as IRN and FBR do"
    )
    parser.add_argument(
        "--dump-float", action="store_true", help="write <id>.npy, in floating point as irn does, instead of PNGs"
    )
    add_device_arguments(parser)
    return parser


def load_network(path: Path, input_size: int | None = None) -> tuple[CAMNetwork, int | None]:
    """Load the network of a weight file, in eval mode, and its input size: the file's, else `input_size`, else 256.

    The size is None where images keep their aspect ratio: for irn's classifier without any size. Raises InputError if
    the file does not hold a network of cls.train or cls.train_iam, or one that was trained with another input size.
    """
    from cls.model import build
    from common.training import checkpoint

    network = checkpoint.load_network(path, build, "cls.train or cls.train_iam")
    trained = network.arch.input_size  # None in published files
    if trained and input_size and trained != input_size:
        raise InputError(f"{path}: expected the --input-size that it was trained with, {trained}, found {input_size}")
    return network, trained or input_size or network.default_input_size


def cam(network: CAMNetwork, inputs: torch.Tensor) -> torch.Tensor:
    """Class maps of normalised images: float32 (B, 3, H, W) -> (B, C, h, w), not yet rectified (paper 3.1)."""
    return network(inputs)


def class_maps(network: CAMNetwork, images: list[torch.Tensor], flip: bool, cam: CAM) -> list[torch.Tensor]:
    """Rectified class maps of a batch in several sizes, and of the mirror images if `flip` (IRN, CVPR 2019).

    images: for each size, uint8 (B, H, W, 3), RGB. Returns float32 (B, C, h, w) for each size, and after it for its
    mirror image, mirrored back.
    """
    from common.files.preprocess import normalise

    rectified = []
    for image in images:
        inputs = normalise(image, "torchvision")  # (B, 3, H, W)
        maps = [cam(network, inputs)]  # (B, C, h, w)
        if flip:
            maps.append(cam(network, inputs.flip(3)).flip(3))
        rectified += [map_.float().relu() for map_ in maps]
    return rectified


def run(args: Namespace, cam: CAM = cam) -> str:
    """Write the maps of the images that lack some; returns a summary. `cam` makes them, for instance by Grad-CAM."""
    import torch

    from cls.dataset import InferenceImages
    from cls.map_files import FloatMaps, GreyMaps
    from common.training import device as devices
    from common.training.loading import batches_of_one_size, in_order, make_loader

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    share = distributed.shard(items)
    device = devices.select_device(args.device, args.deterministic, args.tf32)
    network, input_size = load_network(args.weights, args.input_size)
    network = devices.to_device(network, device)
    stride = network.arch.output_stride
    files = (FloatMaps if args.dump_float else GreyMaps)(args.out, dataset, share, input_size, stride)
    done = [files.is_done(item) for item in share]
    # the batches of an uninterrupted run, without the complete ones: rounding depends on the composition of a batch
    if input_size:
        batches = in_order(len(share), args.batch_size)
        batches = [batch for batch in batches if not all(done[index] for index in batch)]
    else:
        sizes = (dataset.image_size(item.id) for item in share)
        batches = list(batches_of_one_size(sizes, args.batch_size, done))
    images = InferenceImages(dataset, share, args.scales, input_size, stride)
    loader = make_loader(images, batches, args.workers, device)

    def outputs() -> Iterator[tuple[list[int], torch.Tensor]]:
        for batch in loader:
            indices = batch["index"].tolist()
            with torch.no_grad(), devices.autocast(device, args.amp):
                on_device = [each.to(device, non_blocking=True) for each in batch["images"]]
                maps = files.compute(indices, class_maps(network, on_device, args.flip, cam))
            yield indices, maps

    with interruption.deferred(), progress_bar(args.out.name, sum(map(len, batches))) as bar:
        for indices, maps in devices.pipelined(outputs()):
            files.write(indices, maps)
            bar.update(len(indices))
            interruption.check()
    return f"{len(items)} images, {sum(len(item.classes) for item in items)} maps"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
