"""Predict images with a trained DeepLab-v2, multi-scale, with or without dense CRF (paper 4.1).

Either every image of a data set's split, --data and --split, or every photograph of a folder, --images. Writes
<out>/<id>.png, indexed, in the image's size: on training images the input of pseudo.nsrm, on others the result. Of
photographs, which may be PNG, JPEG or WebP with any names and are turned upright, also <out>/<id>_overlay.jpg to look
at, the weights' class names in classes.txt, and in names.csv the ids of files whose names can be none.

Images are normalised by the convention that the weight file names, torchvision's or Caffe's (common.files.preprocess).
A batch holds images of one size only, so nothing is padded. Float32 logits depend on the composition of a batch by
rounding: on a CPU by 3e-6 of their standard deviation, which changed no pixel of a prediction.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.crf.dense import DEFAULTS, add_crf_arguments, memory_of, settle_backend, stays_on_device
from common.files.dataset import DataSet, Item, reads
from common.files.images import is_complete, read_indexed, write_indexed
from common.files.photographs import Photograph, PhotographFolder, describe, read_photograph, scan, write_names
from common.training.arguments import add_device_arguments
from seg.architecture import NETWORKS
from seg.inference import (
    enlarged,
    label_from_logits,
    labels_on_device,
    load_deeplab,
    logits_of,
    logits_on_cpu,
)
from stages import distributed
from stages.arguments import fraction, positive_int, scale
from stages.command import main, stage_parser
from stages.files import InputError, atomic
from stages.fingerprints import Selection
from stages.parallel import MemoryLimit, cores, for_each

if TYPE_CHECKING:
    import numpy as np
    import torch

    from seg.dataset import WholeImages
    from seg.deeplab import MultiScale
    from seg.inference import Output

OVERLAY = "_overlay.jpg"


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__, data=False)
    parser.add_argument("--data", type=Path, help="data set folder (layout: docs/data.md)")
    parser.add_argument("--split", help="which list of the data set: lists/<split>.txt")
    parser.add_argument("--images", type=Path, help="folder of photographs, in the place of --data and --split")
    parser.add_argument(
        "--longest",
        type=positive_int,
        metavar="N",
        help="with --images: the network sees what has a longer side than N pixels shrunk to that",
    )
    parser.add_argument("--weights", type=Path, required=True, help="of seg.train, or a published DeepLab-v2")
    parser.add_argument("--backbone", choices=list(NETWORKS), help="checked against the weights, if given")
    parser.add_argument(
        "--pyramid", type=scale, nargs="*", help="scales beside 1 at which the network runs (default: as in training)"
    )
    parser.add_argument(
        "--batch-size",
        dest="inference_batch_size",
        type=positive_int,
        default=8,
        help="images of one size at a time, at most",
    )
    parser.add_argument("--crf", action="store_true", help="dense CRF on the probabilities, as the paper does")
    add_crf_arguments(parser, DEFAULTS)
    parser.add_argument(
        "--crf-min-probability",
        type=fraction,
        default=0.0,
        help="leaves out of the CRF each class whose probability exceeds this nowhere in the image (default: exact)",
    )
    add_device_arguments(parser)
    parser.set_defaults(workers=min(4, cores()) if cores() > 1 else 0)  # few, because the CRF needs the cores
    return parser


def settle(args: Namespace, recorded: dict[str, Any] | None) -> dict[str, Any]:
    """Choose the CRF's backend for --crf-backend auto, where there is a CRF."""
    return settle_backend(args, recorded) if args.crf else {}


def reads_of(args: Namespace) -> dict[str, Selection]:
    """What the stage reads: images of --data and --split, or the photographs of --images, other files left out.

    Raises InputError unless the arguments name one of them.
    """
    if args.images is None:
        if args.data is None or args.split is None:
            raise InputError("--data and --split: expected both, or --images in their place")
        if args.longest is not None:
            raise InputError("--longest: expected --images, not --data")
        return reads("images")(args)
    if args.data is not None or args.split is not None:
        raise InputError("--images: expected neither --data nor --split beside it")
    found, _ = scan(args.images)
    return {"images": Selection(["photographs"], [each.path.name for each in found])}


def load_network(args: Namespace, classes: int) -> MultiScale:
    """Load the multi-scale network of a weight file, ours or published, in eval mode.

    Raises InputError if the file is not a DeepLab, not the one that `args` name, or has not C = `classes`.
    """
    return load_deeplab(args.weights, args.pyramid, args.backbone, classes)[0]


def checked_size(dataset: DataSet | PhotographFolder, id: str, smallest: int) -> tuple[int, int]:
    """Read the size of an image, (H, W). Raises InputError if a side has less than `smallest` pixels."""
    height, width = dataset.image_size(id)
    if min(height, width) < smallest:
        raise InputError(
            f"{dataset.image_path(id)}: expected at least {smallest} pixels a side, found {width}x{height}"
        )
    return height, width


def network_outputs(
    args: Namespace, network: MultiScale, images: WholeImages, batches: Iterable[list[int]], device: torch.device
) -> Iterator[Output]:
    """Yield the Output of each of `batches`, lists of indices into `images`, each of images of one size."""
    from common.training import device as devices
    from common.training.loading import make_loader

    network = devices.to_device(network, device)
    for ids, rgbs in make_loader(images, batches, args.workers, device, images.collate):
        yield ids, rgbs, *logits_of(network, rgbs, device, args.amp)


def write_from_logits(out: Path, crf: dict[str, Any] | None, output: tuple[str, np.ndarray, np.ndarray]) -> None:
    """Write the label of an item of `logits_on_cpu`, in the image's size. `crf`: dense_crf's parameters or None."""
    id, rgb, logits = output
    write_indexed(out / f"{id}.png", label_from_logits(rgb, logits, crf))


def memory_of_item(crf: dict[str, Any], output: tuple[str, np.ndarray, np.ndarray]) -> int:
    """Estimate the bytes of a process that labels an item of `logits_on_cpu`. `crf`: dense_crf's parameters."""
    _, rgb, logits = output
    return memory_of(crf["backend"], rgb[..., 0].size, logits.shape[2], crf["min_probability"])


def write_label(out: Path, output: tuple[str, np.ndarray]) -> None:
    """Write an item of `labels_on_device`."""
    id, label = output
    write_indexed(out / f"{id}.png", label)


def write_with_overlay(write: Callable, out: Path, names: list[str], pair: tuple[Photograph, tuple]) -> None:
    """Write the label of a photograph and its overlay. `pair`: the photograph, and the item that `write` takes."""
    from seg.overlay import write_overlay

    photograph, output = pair
    write(output)
    rgb, label = read_photograph(photograph.path), read_indexed(out / f"{photograph.id}.png")
    if label.shape != rgb.shape[:2]:  # it was shrunk
        label = enlarged(label, rgb.shape[:2])
        write_indexed(out / f"{photograph.id}.png", label)
    write_overlay(out / f"{photograph.id}{OVERLAY}", rgb, label, names)


def write_legend(out: Path, names: list[str], photographs: list[Photograph]) -> None:
    """Write what says how to read the labels of photographs: classes.txt, and names.csv where names are no ids."""
    with atomic(out / "classes.txt") as partial_file:
        partial_file.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    write_names(out / "names.csv", photographs)


def run(args: Namespace) -> str:
    """Write the predictions that are missing; returns a summary."""
    from common.training import device as devices

    device = devices.select_device(args.device, args.deterministic, args.tf32)
    if args.images is None:
        dataset = DataSet(args.data)
        items = dataset.split(args.split)
        network = load_network(args, len(dataset.classes))
        predict(args, network, dataset, items, device)
        return f"{len(items)} images{' with CRF' if args.crf else ''}"
    folder = PhotographFolder(args.images, args.longest)
    network, names = load_deeplab(args.weights, args.pyramid, args.backbone)
    if distributed.IS_FIRST:
        describe(folder, folder.photographs)
    predict(args, network, folder, folder.photographs, device, names)
    if distributed.IS_FIRST:
        write_legend(args.out, names, folder.photographs)
    return f"{len(folder.photographs)} photographs, {len(names)} classes{', with CRF' if args.crf else ''}"


def predict(
    args: Namespace,
    network: MultiScale,
    dataset: DataSet | PhotographFolder,
    items: list[Item] | list[Photograph],
    device: torch.device,
    names: list[str] | None = None,
) -> None:
    """Write the labels of `items` that are missing; overlays with the class `names` too, if there are any."""
    from common.training.loading import batches_of_one_size
    from seg.dataset import WholeImages
    from seg.deeplab import smallest_side

    share = distributed.shard(items)
    endings = (".png", OVERLAY) if names else (".png",)
    done = [all(is_complete(args.out / f"{item.id}{ending}") for ending in endings) for item in share]
    parameters = (*DEFAULTS, "min_probability", "backend")
    crf = {name: getattr(args, f"crf_{name}") for name in parameters} if args.crf else None
    smallest = smallest_side(network.scales)
    sizes = (checked_size(dataset, item.id, smallest) for item in share)
    # the batches of an uninterrupted run, without the complete ones: rounding depends on the composition of a batch
    batches = batches_of_one_size(sizes, args.inference_batch_size)
    batches = (batch for batch in batches if not all(done[index] for index in batch))
    outputs = network_outputs(args, network, WholeImages(dataset, share), batches, device)
    on_device = stays_on_device(device, crf)
    if on_device:
        outputs, write = labels_on_device(outputs, crf), partial(write_label, args.out)
    else:
        outputs, write = logits_on_cpu(outputs), partial(write_from_logits, args.out, crf)
    if names:
        photographs = {item.id: item for item in share}
        outputs = ((photographs[output[0]], output) for output in outputs)
        write = partial(write_with_overlay, write, args.out, names)
    limit = None
    if crf and not on_device:
        limit = MemoryLimit(args.crf_memory * 2**30, lambda output: memory_of_item(crf, output[1] if names else output))
    for _ in for_each(write, outputs, cores(), args.out.name, done.count(False), limit):
        pass


if __name__ == "__main__":
    main(parser(), run, reads=reads_of, settle=settle)
