"""Train DeepLab-v2 on a folder of labels, one round of paper 4.1. Writes <out>/weights.pth.

Round 1 takes the pseudo labels of pseudo.pom, round 2 the masked labels of pseudo.nsrm.
"""

from __future__ import annotations

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from common.files.dataset import DataSet, reads
from common.nets.architecture import arguments_of
from common.training.arguments import add_backbone_argument, add_run_arguments, add_save_arguments, add_size_arguments
from seg.architecture import NETWORKS, DeepLabArch, DeepLabResNetArch, DeepLabVGGArch
from stages import distributed
from stages.arguments import natural, non_negative_float, positive_float, positive_int, scale
from stages.command import main, stage_parser
from stages.files import InputError

if TYPE_CHECKING:
    import torch

    from seg.deeplab import MultiScale


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="folder of training labels <id>.png")
    networks = "resnet101 or vgg16 (paper 4.1, Tables 2 and 1), or timm:NAME, a network of timm (docs/backbones.md)"
    add_backbone_argument(parser, NETWORKS, "resnet101", networks)
    parser.add_argument(
        "--convention",
        choices=["torchvision", "caffe"],
        default="torchvision",
        help="convention of the weights: torchvision's (ImageNet) or Caffe's (COCO)",
    )
    parser.add_argument("--init", type=Path, help="pretrained weights (default: random ones)")
    parser.add_argument(
        "--iterations", type=positive_int, default=10_000, help="paper 4.1; the published code has 20 000"
    )
    parser.add_argument("--batch-size", type=positive_int, default=10, help="paper 4.1")
    parser.add_argument(
        "--lr",
        type=positive_float,
        default=2.5e-4,
        help="learning rate of the backbone; x10 and x20 for weights and biases of new layers (paper 4.1)",
    )
    parser.add_argument(
        "--weight-decay", type=non_negative_float, default=1e-4, help="paper 4.1; the published code has 5e-4"
    )
    parser.add_argument("--crop-size", type=positive_int, default=321, help="side of the training crops")
    parser.add_argument(
        "--scales", type=scale, nargs="+", default=[0.5, 0.75, 1, 1.25, 1.5], help="factors of the random resizing"
    )
    parser.add_argument("--pyramid", type=scale, nargs="*", default=[0.5, 0.75], help="extra input scales")
    parser.add_argument(
        "--rates", type=positive_int, nargs="+", default=list(DeepLabArch.rates), help="dilations of the ASPP"
    )
    parser.add_argument(
        "--freeze-bn",
        action=BooleanOptionalAction,
        default=True,
        help="keep batch norm as it is in --init; batch norm that --init lacks is trained",
    )
    add_save_arguments(parser)
    parser.add_argument(
        "--val-every",
        type=positive_int,
        metavar="N",
        help="score the network on --val-split every N iterations; shown and logged only: no weights are chosen by it",
    )
    parser.add_argument("--val-split", default="val", help="list of the data set that --val-every scores")
    vgg = add_size_arguments(parser, "resnet101", DeepLabResNetArch)
    vgg.add_argument(
        "--fc-channels",
        type=natural,
        default=DeepLabVGGArch.fc_channels,
        help="channels of VGG's fc6 and fc7; 0 leaves them out, as with a ResNet",
    )
    add_run_arguments(parser)
    return parser


def build_model(args: Namespace, classes: Sequence[str]) -> tuple[MultiScale, list[str]]:
    """Build the multi-scale network with its initial weights; returns also the missing keys, initialised at random."""
    from common.nets.batch_norm import freeze_batch_norm
    from seg.deeplab import MultiScale, build
    from seg.pretrained import load_init

    kind = NETWORKS[args.backbone.partition(":")[0]]
    network = build(classes=len(classes), class_names=classes, **arguments_of(args, kind))
    model = MultiScale(network, args.pyramid)
    missing_keys = list(model.base.state_dict())
    if args.init:
        missing_keys, unused = load_init(model, args.init)
        print(f"seg.train: {args.init}: not in the file, starts at random: {' '.join(missing_keys) or 'nothing'}")
        print(f"seg.train: {args.init}: in the file, not used: {' '.join(unused) or 'nothing'}")
    if args.freeze_bn:
        freeze_batch_norm(model.base, missing_keys)
    return model, missing_keys


def start(args: Namespace, classes: Sequence[str]) -> tuple[MultiScale, torch.optim.SGD, torch.device]:
    """Build the network with its initial weights on its device, and its optimiser.

    Raises InputError if the device or the weights that `args` name cannot be used.
    """
    import torch

    from common.training import checkpoint
    from common.training import device as devices

    checkpoint.seed_everything(args.seed)
    device = devices.select_device(args.device, args.deterministic, args.tf32)
    model, missing_keys = build_model(args, classes)
    model = devices.to_device(model, device)
    groups = model.base.parameter_groups(args.lr, args.weight_decay, missing_keys)
    optimizer = torch.optim.SGD(groups, args.lr, momentum=0.9, fused=device.type == "cuda")
    return model, optimizer, device


def run(args: Namespace) -> str:
    """Train and write the weights; returns a summary. Raises InputError if the crops are too small for the network."""
    from common.files.preprocess import normalise
    from common.training import checkpoint
    from common.training.crops import TrainingCrops
    from common.training.loop import Training, poly_lr
    from seg.deeplab import multi_scale_loss, smallest_side
    from seg.validation import check_truth, evaluate

    smallest = smallest_side(args.pyramid, args.output_stride)
    if args.crop_size < smallest:
        raise InputError(f"--crop-size: expected at least {smallest}, found {args.crop_size}")
    dataset = DataSet(args.data)
    items = dataset.split(args.split)
    crops = TrainingCrops(dataset, items, args.labels, args.crop_size, args.scales, args.seed)
    if args.val_every:
        check_truth(dataset, args.val_split)
    model, optimizer, device = start(args, dataset.classes)

    with Training(args, model, optimizer, crops, device, iterations=args.iterations) as training:
        for iteration, batch in training:
            for group in optimizer.param_groups:
                group["lr"] = poly_lr(args.lr, iteration, args.iterations) * group["scale"]
            with training.autocast():
                images = normalise(batch["image"], args.convention, batch["rectangle"])
                outputs = training.model(images)  # logits (B, C + 1, h, w) at each scale, and their maximum
            training.step({"segmentation": multi_scale_loss(outputs, batch["label"])})
            if args.val_every and training.done % args.val_every == 0:
                scores = evaluate(model, dataset, args.val_split, device, workers=args.workers, amp=args.amp)
                training.show("val mIoU", scores["mean_iou"])

    if distributed.IS_FIRST:
        arch, pyramid = model.base.arch.to_file(), list(args.pyramid)
        checkpoint.save(args.out / "weights.pth", arch=arch, pyramid=pyramid, state_dict=model.state_dict())
    return f"{len(items)} images, {args.iterations} iterations"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
