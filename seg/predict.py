"""Predict images with a trained DeepLab-v2, multi-scale, with or without dense CRF (paper 4.1).

Either every image of a data set's split (--data and --split), or every photograph of a folder (--images). Writes
<out>/<id>.png, indexed, in the image's size: for training images the input of pseudo.nsrm, for others the result.
Photographs may be PNG, JPEG or WebP with any names, and are turned upright; they also get <out>/<id>_overlay.jpg to
look at, the class names of the weights in classes.txt, and in names.csv the ids of files whose names cannot be ids.

Images are normalised by the convention of the weight file, torchvision's or Caffe's (common.files.preprocess). A batch
holds images of one size only, so nothing is padded. Float32 logits depend on the composition of a batch by rounding: on
a CPU by 3e-6 of their standard deviation, which changed no pixel of a prediction.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import Any

from common.crf.dense import DEFAULTS, add_crf_arguments, memory_of, resolve_backend, stays_on_device
from common.files.dataset import DataSet, reads
from common.files.images import is_complete, write_indexed
from common.files.photographs import Photograph, PhotographFolder, describe, read_photograph, scan, write_names
from common.training.arguments import add_backbone_argument, add_device_arguments
from seg.architecture import NETWORKS
from seg.inference import Output, load_deeplab, outputs_of, resize_label
from stages import distributed
from stages.arguments import fraction, positive_int, scale
from stages.command import main, stage_parser
from stages.files import InputError, write_lines
from stages.fingerprints import Selection
from stages.parallel import MemoryLimit, cores, for_each

OVERLAY = "_overlay.jpg"


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__, data=False)
    parser.add_argument("--data", type=Path, help="data set folder (layout: docs/data.md)")
    parser.add_argument("--split", help="which list of the data set: lists/<split>.txt")
    parser.add_argument("--images", type=Path, help="folder of photographs, instead of --data and --split")
    parser.add_argument(
        "--longest",
        type=positive_int,
        metavar="N",
        help="with --images: shrink photographs to at most N pixels on the longer side for the network",
    )
    parser.add_argument("--weights", type=Path, required=True, help="weights of seg.train, or a published DeepLab-v2")
    add_backbone_argument(parser, NETWORKS, None, "refuse weights of another backbone")
    parser.add_argument("--pyramid", type=scale, nargs="*", help="extra input scales (default: those of the training)")
    parser.add_argument(
        "--batch-size",
        dest="inference_batch_size",
        type=positive_int,
        default=8,
        help="largest number of images, all of one size, in a batch",
    )
    parser.add_argument("--crf", action="store_true", help="apply a dense CRF to the probabilities, as the paper does")
    add_crf_arguments(parser, DEFAULTS)
    parser.add_argument(
        "--crf-min-probability",
        type=fraction,
        default=0.0,
        help="leave out of the CRF each class whose probability exceeds this nowhere in the image; 0 keeps all classes",
    )
    add_device_arguments(parser)
    parser.set_defaults(workers=min(4, cores()) if cores() > 1 else 0)  # few, because the CRF needs the cores
    return parser


def resolve_arguments(args: Namespace, recorded: dict[str, Any] | None) -> dict[str, Any]:
    """Choose the CRF's backend for --crf-backend auto, if there is a CRF."""
    return resolve_backend(args, recorded) if args.crf else {}


def reads_of(args: Namespace) -> dict[str, Selection]:
    """Files that the stage reads: images of --data and --split, or the photographs of --images.

    Raises InputError unless the arguments name one of the two.
    """
    if args.images is None:
        if args.data is None or args.split is None:
            raise InputError("--data and --split: expected both, or --images in their place")
        if args.longest is not None:
            raise InputError("--longest: expected --images, not --data")
        return reads("images")(args)
    if args.data is not None or args.split is not None:
        raise InputError("--images: expected neither --data nor --split beside it")
    photographs, _ = scan(args.images)
    return {"images": Selection(["photographs"], [photograph.path.name for photograph in photographs])}


def images_of(args: Namespace) -> tuple[DataSet | PhotographFolder, list[Photograph]]:
    """Where the images come from: the folder of --data or --images, and its images."""
    if args.images is None:
        dataset = DataSet(args.data)
        return dataset, [Photograph(item.id, dataset.image_path(item.id)) for item in dataset.split(args.split)]
    folder = PhotographFolder(args.images, args.longest)
    return folder, folder.photographs


def write_label(out: Path, crf: dict[str, Any] | None, output: Output) -> None:
    """Write the label of an image of a data set. `crf`: dense_crf's parameters or None."""
    write_indexed(out / f"{output.key.id}.png", output.label(crf))


def write_photograph(names: list[str], out: Path, crf: dict[str, Any] | None, output: Output) -> None:
    """Write the label of a photograph in its own size, and the overlay with the class `names`."""
    from seg.overlay import write_overlay

    rgb = read_photograph(output.key.path)
    label = resize_label(output.label(crf), rgb.shape[:2])
    write_indexed(out / f"{output.key.id}.png", label)
    write_overlay(out / f"{output.key.id}{OVERLAY}", rgb, label, names)


def run(args: Namespace) -> str:
    """Write the predictions that are missing; returns a summary."""
    from common.training import device as devices
    from seg.dataset import WholeImages, load_whole

    device = devices.select_device(args.device, args.deterministic, args.tf32)
    folder, images = images_of(args)
    classes = None if args.images else len(folder.classes)
    network, names = load_deeplab(args.weights, args.pyramid, args.backbone, classes)
    if args.images and distributed.IS_FIRST:
        describe(folder, images)
    write = partial(write_photograph, names) if args.images else write_label
    endings = (".png", OVERLAY) if args.images else (".png",)
    crf = {name: getattr(args, f"crf_{name}") for name in (*DEFAULTS, "min_probability", "backend")}
    crf = crf if args.crf else None

    share = distributed.shard(images)
    done = [all(is_complete(args.out / f"{image.id}{ending}") for ending in endings) for image in share]
    loader = load_whole(
        WholeImages(folder, share), args.inference_batch_size, args.workers, device, network.smallest_side(), done
    )
    outputs = outputs_of(devices.to_device(network, device), loader, device, args.amp, crf)

    def memory(output: Output) -> int:
        return memory_of(crf["backend"], output.rgb[..., 0].size, output.values.shape[2], crf["min_probability"])

    limit = MemoryLimit(args.crf_memory * 2**30, memory) if crf and not stays_on_device(device, crf) else None
    for_each(partial(write, args.out, crf), outputs, cores(), args.out.name, done.count(False), limit)

    if args.images and distributed.IS_FIRST:
        write_lines(args.out / "classes.txt", names)
        write_names(args.out / "names.csv", images)  # if names cannot be ids
    return f"{len(images)} {'photographs' if args.images else 'images'}{' with CRF' if args.crf else ''}"


if __name__ == "__main__":
    main(parser(), run, reads=reads_of, resolve=resolve_arguments)
