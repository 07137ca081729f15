"""Predict every image of a split with a trained DeepLab-v2, multi-scale, with or without dense CRF (paper 4.1).

Writes <out>/<id>.png, indexed, in the image's size: on training images the input of pseudo.nsrm, on others the result.
Images are normalised by the convention that the weight file names, torchvision's or Caffe's (common.preprocess). A
batch holds images of one size only, so nothing is padded. Float32 logits depend on the composition of a batch by
rounding: on a CPU by 3e-6 of their standard deviation, which changed no pixel of a prediction.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.crf import DEFAULTS, choose_backend, dense_crf
from common.dataset import DataSet, reads
from common.images import is_complete, write_indexed
from common.network_arguments import add_device_arguments
from stages import distributed
from stages.arguments import fraction, natural, positive_int, scale
from stages.command import main, stage_parser
from stages.files import InputError
from stages.parallel import cores, for_each

if TYPE_CHECKING:
    import numpy as np
    import torch

    from seg.dataset import WholeImages
    from seg.deeplab import MultiScale

    # of a batch: ids, uint8 (B, H, W, 3) RGB on the CPU and on the device, logits float32 (B, C + 1, h, w)
    Output = tuple[tuple[str, ...], torch.Tensor, torch.Tensor, torch.Tensor]


def parser() -> ArgumentParser:
    """Parser of the command's arguments."""
    parser = stage_parser(__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="of seg.train, or a published DeepLab-v2")
    parser.add_argument("--backbone", choices=["resnet101", "vgg16"], help="checked against the weights, if given")
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
    for name, value in DEFAULTS.items():
        number = positive_int if "_s" in name else natural  # a standard deviation, or iterations and weights
        parser.add_argument(
            f"--crf-{name.replace('_', '-')}", type=number, default=value, help="of the CRF, as published"
        )
    parser.add_argument(
        "--crf-min-probability",
        type=fraction,
        default=0.0,
        help="leaves out of the CRF each class whose probability exceeds this nowhere in the image (default: exact)",
    )
    parser.add_argument(
        "--crf-backend",
        choices=["auto", "lattice", "pydensecrf"],
        default="auto",
        help="this project's own, which also runs on a GPU, or pydensecrf, on the CPU; auto takes lattice on a GPU, "
        "and elsewhere pydensecrf if it is installed. The choice is recorded",
    )
    add_device_arguments(parser)
    parser.set_defaults(workers=min(4, cores()) if cores() > 1 else 0)  # few, because the CRF needs the cores
    return parser


def settle(args: Namespace, recorded: dict[str, Any] | None) -> dict[str, Any]:
    """Choose the CRF's backend for --crf-backend auto: the recorded one, else the one that this machine has."""
    if not args.crf or args.crf_backend != "auto":
        return {}
    if recorded is not None and recorded.get("crf"):
        return {"crf_backend": recorded.get("crf_backend", "pydensecrf")}  # the only one of earlier versions
    from common import device as devices

    return {"crf_backend": choose_backend("auto", devices.select_device(args.device).type)}


def load_network(args: Namespace, classes: int) -> MultiScale:
    """Load the multi-scale network of a weight file, ours or published, in eval mode.

    Raises InputError if the file is not a DeepLab, not the one that `args` name, or has not C = `classes`.
    """
    from common import checkpoint
    from common.architecture import check_pyramid
    from seg.deeplab import MultiScale, build
    from seg.pretrained import arch_of

    content = checkpoint.load(args.weights)
    arch = arch_of(content)
    if arch is None:
        raise InputError(f"{args.weights}: expected weights of seg.train or a published DeepLab-v2 with ResNet-101")
    if args.backbone and args.backbone != arch["backbone"]:
        raise InputError(f"{args.weights}: expected a {args.backbone}, found a {arch['backbone']!s:.40}")
    pyramid = (
        content.get("pyramid", (0.5, 0.75)) if args.pyramid is None else args.pyramid
    )  # published files have the published scales
    with checkpoint.prefix_errors(args.weights):
        network = build(**arch)
        check_pyramid(pyramid)
    if network.arch.classes != classes:
        raise InputError(f"{args.weights}: expected the data set's {classes} classes, found {network.arch.classes}")
    checkpoint.load_into(network, content, args.weights)
    return MultiScale(network, pyramid).eval()


def batches_of_one_size(sizes: Iterable[tuple[int, int]], batch_size: int) -> Iterator[list[int]]:
    """Yield lists of at most `batch_size` indices into `sizes`, an iterable of (H, W); the sizes in a list are equal.

    Each index comes once. A list is yielded as soon as it is full, so `sizes` may be a generator that reads files; the
    incomplete lists, at most one a size, come last.
    """
    buckets = defaultdict(list)
    for index, size in enumerate(sizes):
        buckets[size].append(index)
        if len(buckets[size]) == batch_size:
            yield buckets.pop(size)
    yield from buckets.values()


def checked_size(dataset: DataSet, id: str, smallest: int) -> tuple[int, int]:
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
    import torch

    from common import device as devices
    from common.loading import make_loader
    from common.preprocess import normalise

    network = devices.to_device(network, device)
    for ids, rgbs in make_loader(images, batches, args.workers, device, images.collate):
        on_device = rgbs.to(device, non_blocking=True)
        with torch.inference_mode(), devices.autocast(device, args.amp):
            logits = network(normalise(on_device, network.base.arch.convention))
        yield ids, rgbs, on_device, logits.float()


def labels_on_device(outputs: Iterable[Output], crf: dict[str, Any] | None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (id, label uint8 (H, W)) for each image of `network_outputs`, computed on the device of its logits.

    `crf`: dense_crf's parameters or None. While the caller uses one label, a GPU computes the next.
    """
    import torch

    from common import device as devices
    from seg.deeplab import resize

    def labels() -> Iterator[tuple[str, torch.Tensor]]:
        for ids, _, images, logits in outputs:
            for id, image, image_logits in zip(ids, images, logits):
                with torch.inference_mode():
                    scores = resize(image_logits[None], image.shape[:2])[0]  # (C + 1, H, W)
                    if crf:
                        scores = dense_crf(image, scores.softmax(dim=0), **crf)
                yield id, scores.argmax(0).byte()

    for id, label in devices.pipelined(labels()):
        yield id, label.numpy()


def logits_on_cpu(outputs: Iterable[Output]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (id, uint8 (H, W, 3) RGB, logits float32 (h, w, C + 1)) for each image of `network_outputs`."""
    from common import device as devices

    batches = (((ids, rgbs), logits.permute(0, 2, 3, 1)) for ids, rgbs, _, logits in outputs)
    for (ids, rgbs), logits in devices.pipelined(batches):
        yield from zip(ids, rgbs.numpy(), logits.numpy())


def write_from_logits(out: Path, crf: dict[str, Any] | None, output: tuple[str, np.ndarray, np.ndarray]) -> None:
    """Write the label of an item of `logits_on_cpu`, in the image's size. `crf`: dense_crf's parameters or None."""
    import cv2
    from scipy.special import softmax

    id, rgb, logits = output
    height, width = rgb.shape[:2]
    logits = cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)  # (C + 1, H, W)
    if crf:
        logits = dense_crf(rgb, softmax(logits, axis=0), **crf)
    write_indexed(out / f"{id}.png", logits.argmax(0).astype("uint8"))


def write_label(out: Path, output: tuple[str, np.ndarray]) -> None:
    """Write an item of `labels_on_device`."""
    id, label = output
    write_indexed(out / f"{id}.png", label)


def run(args: Namespace) -> str:
    """Write the predictions that are missing; returns a summary."""
    from common import device as devices
    from seg.dataset import WholeImages
    from seg.deeplab import smallest_side

    device = devices.select_device(args.device, args.deterministic, args.tf32)
    dataset = DataSet(args.data)
    items = dataset.split(args.split)
    network = load_network(args, len(dataset.classes))
    share = distributed.shard(items)
    done = [is_complete(args.out / f"{item.id}.png") for item in share]
    images = WholeImages(dataset, share)
    parameters = (*DEFAULTS, "min_probability", "backend")
    crf = {name: getattr(args, f"crf_{name}") for name in parameters} if args.crf else None
    smallest = smallest_side(network.scales)
    sizes = (checked_size(dataset, item.id, smallest) for item in share)
    # the batches of an uninterrupted run, without the complete ones: rounding depends on the composition of a batch
    batches = batches_of_one_size(sizes, args.inference_batch_size)
    batches = (batch for batch in batches if not all(done[index] for index in batch))
    outputs = network_outputs(args, network, images, batches, device)
    if device.type == "cuda" and not (crf and crf["backend"] == "pydensecrf"):
        outputs, write = labels_on_device(outputs, crf), partial(write_label, args.out)
    else:
        outputs, write = logits_on_cpu(outputs), partial(write_from_logits, args.out, crf)
    for _ in for_each(write, outputs, cores(), args.out.name, done.count(False)):
        pass
    return f"{len(items)} images{' with CRF' if crf else ''}"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"), settle=settle)
