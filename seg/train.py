"""Trains DeepLab-v2 on a folder of labels: a round of paper 4.1. Writes <out>/weights.pth.

Round 1 takes the pseudo labels of pseudo.pom, round 2 the masked labels of pseudo.nsrm.
"""

import argparse
from pathlib import Path

from common.arguments import natural, non_negative_float, positive_float, positive_int, scale
from common.cli import (
    add_device_arguments,
    add_output_stride_argument,
    add_save_arguments,
    add_trunk_arguments,
    main,
    stage_parser,
)
from common.files import InputError
from common.stage import TRAINING_STATE
from data.layout import DataSet


def parser():
    parser = stage_parser(__doc__)
    parser.add_argument("--labels", type=Path, required=True, help="folder of training labels <id>.png")
    parser.add_argument(
        "--backbone", choices=["resnet101", "vgg16"], default="resnet101", help="paper 4.1, Tables 1 and 2"
    )
    parser.add_argument(
        "--convention",
        choices=["torchvision", "caffe"],
        default="torchvision",
        help="of the weights: ImageNet's from torchvision, or COCO's from Caffe",
    )
    parser.add_argument("--init", type=Path, help="pretrained weights; without, training starts from random ones")
    parser.add_argument(
        "--iterations", type=positive_int, default=10_000, help="paper 4.1; the published code has 20 000"
    )
    parser.add_argument("--batch-size", type=positive_int, default=10, help="paper 4.1")
    parser.add_argument(
        "--lr", type=positive_float, default=2.5e-4, help="of the trunk; x10 and x20 in the classifier (paper 4.1)"
    )
    parser.add_argument(
        "--weight-decay", type=non_negative_float, default=1e-4, help="paper 4.1; the published code has 5e-4"
    )
    parser.add_argument("--crop-size", type=positive_int, default=321, help="side of the training crops")
    parser.add_argument(
        "--scales", type=scale, nargs="+", default=[0.5, 0.75, 1, 1.25, 1.5], help="of the random resizing"
    )
    parser.add_argument(
        "--pyramid", type=scale, nargs="*", default=[0.5, 0.75], help="scales beside 1 at which the network runs"
    )
    parser.add_argument("--rates", type=positive_int, nargs="+", default=[6, 12, 18, 24], help="dilations of the ASPP")
    parser.add_argument(
        "--freeze-bn",
        action=argparse.BooleanOptionalAction,
        help="keep batch norm as it was pretrained (default: if there is --init)",
    )
    add_save_arguments(parser)
    resnet = parser.add_argument_group("size of a resnet101")
    resnet.add_argument(
        "--blocks", type=positive_int, nargs=4, default=[3, 4, 23, 3], help="in each of ResNet's four stages"
    )
    resnet.add_argument("--width", type=positive_int, default=64, help="channels of ResNet's stem")
    vgg = parser.add_argument_group("size of a vgg16")
    add_trunk_arguments(vgg)
    add_output_stride_argument(vgg)
    vgg.add_argument(
        "--fc-channels", type=natural, default=1024, help="of VGG's fc6 and fc7; 0: an ASPP without them, as ResNet's"
    )
    add_device_arguments(parser)
    return parser


def architecture(args, classes):
    """What seg.deeplab.build needs, as it stands in the weight file."""
    arch = {"backbone": args.backbone, "classes": classes, "convention": args.convention, "rates": list(args.rates)}
    if args.backbone == "resnet101":
        return {**arch, "depths": list(args.blocks), "width": args.width}
    sizes = {"channels": list(args.channels), "depths": list(args.depths), "batch_norm": args.batch_norm}
    return {**arch, **sizes, "output_stride": args.output_stride, "fc_channels": args.fc_channels}


def build_model(args, arch):
    """The multi-scale network with its initial weights, and the names of the tensors that start at random."""
    from seg.deeplab import MultiScale, build, freeze_batch_norm
    from weights.convert import load_init, unused_tensors

    model = MultiScale(build(**arch), args.pyramid)
    fresh = list(model.base.state_dict())
    if args.init:
        fresh = load_init(model, args.init)
        print(f"seg.train: {args.init}: not in the file, starts at random: {' '.join(fresh) or 'nothing'}")
        print(f"seg.train: {args.init}: in the file, not used: {' '.join(unused_tensors(args.init)) or 'nothing'}")
    if frozen(args):
        freeze_batch_norm(model)
    return model, fresh


def frozen(args):
    return args.init is not None if args.freeze_bn is None else args.freeze_bn


def run(args):
    import torch

    from common import checkpoint, distributed, training
    from common import device as devices
    from common.loading import make_loader
    from common.preprocess import normalise
    from seg.dataset import TrainingCrops
    from seg.deeplab import multi_scale_loss, parameter_groups, poly_lr, smallest_side

    if args.crop_size < smallest_side(args.pyramid):
        raise InputError(f"--crop-size: expected at least {smallest_side(args.pyramid)}, found {args.crop_size}")
    dataset = DataSet(args.data)
    items = dataset.split(args.split)
    crops = TrainingCrops(dataset, items, args.labels, args.crop_size, args.scales, args.seed)
    checkpoint.seed_everything(args.seed)
    device = devices.pick(args.device, args.deterministic, args.tf32)
    arch = architecture(args, len(dataset.classes))
    model, fresh = build_model(args, arch)
    model = devices.place(model, device)
    groups = parameter_groups(model, args.lr, args.weight_decay, train_batch_norm=not frozen(args), fresh=fresh)
    optimizer = torch.optim.SGD(groups, args.lr, momentum=0.9, fused=device.type == "cuda")
    checkpoint.seed_apart(args.seed)
    start, _ = checkpoint.resume_training(args.out / TRAINING_STATE, model, optimizer)
    parallel = distributed.parallel(model)

    def step(iteration, batch):
        for group in optimizer.param_groups:
            group["lr"] = poly_lr(args.lr, iteration, args.iterations) * group["scale"]
        batch = training.to_device(batch, device)
        with devices.autocast(device, args.amp):
            images = normalise(batch["image"], args.convention, batch["rectangle"])
            outputs = parallel(images)  # logits (B, C + 1, h, w) at each scale, and their maximum
        return multi_scale_loss(outputs, batch["label"])

    batches = training.ShuffledBatches(len(items), args.batch_size, args.iterations, args.seed, start)
    loader = make_loader(crops, batches, args.workers, device)
    training.iterate(args, model, optimizer, loader, step, args.iterations, start)
    if distributed.IS_FIRST:
        checkpoint.save(args.out / "weights.pth", arch=arch, pyramid=list(args.pyramid), state_dict=model.state_dict())
    return f"{len(items)} images, {args.iterations} iterations"


if __name__ == "__main__":
    main(parser(), run)
