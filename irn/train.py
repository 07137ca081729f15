"""Train IRN's class boundaries and displacements on seeds (Ahn et al., CVPR 2019). Writes <out>/weights.pth.

Two branches on a frozen backbone learn from pairs of near pixels: whether a boundary lies between them, and how their
ways to the centres of their objects differ. The weight file also holds the mean displacement over the images.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from common.files.dataset import DataSet, Item, reads
from common.nets.architecture import arguments_of
from common.training.arguments import add_backbone_argument, add_run_arguments, add_save_arguments, add_size_arguments
from irn.architecture import NETWORKS, STRIDE, IRNArch
from stages import distributed
from stages.arguments import checked, non_negative_float, positive_float, positive_int, scale, whole_number
from stages.command import main, stage_parser
from stages.files import InputError

if TYPE_CHECKING:
    import torch

    from irn.model import IRN

multiple_of_16 = checked(int, lambda side: side in range(16, 8193, 16), "a multiple of 16 from 16 to 8192")


def parser() -> ArgumentParser:
    parser = stage_parser(__doc__)
    parser.add_argument("--seeds", type=Path, required=True, help="folder of seeds <id>.png (irn.seed)")
    networks = "resnet50 (published), vgg16, or timm:NAME, a network of timm (docs/backbones.md)"
    add_backbone_argument(parser, NETWORKS, "resnet50", networks)
    parser.add_argument(
        "--init",
        type=Path,
        help="weights of the backbone, which is not trained: torchvision's ResNet-50 or VGG16 (weights.fetch), timm's, "
        "the toy data's, or a classifier's (cls.train) (default: random weights)",
    )
    parser.add_argument("--epochs", type=positive_int, default=3, help="number of epochs")
    parser.add_argument("--batch-size", type=positive_int, default=32, help="images per step, over all processes")
    parser.add_argument(
        "--lr",
        type=positive_float,
        default=0.1,
        help="for the boundary branch, x10 for the other; polynomial decay",
    )
    parser.add_argument("--weight-decay", type=non_negative_float, default=1e-4, help="L2 penalty")
    parser.add_argument(
        "--momentum",
        type=non_negative_float,
        default=1e-4,
        help="as published: the published code passes the weight decay as momentum",
    )
    parser.add_argument("--crop-size", type=multiple_of_16, default=IRNArch.crop_size, help="side of training crops")
    parser.add_argument(
        "--scales", type=scale, nargs=2, metavar=("MIN", "MAX"), default=[0.5, 1.5], help="range of the random resizing"
    )
    parser.add_argument(
        "--radius",
        type=whole_number(2, 64),
        default=10,
        help="pairs are closer than this, in pixels of the maps",
    )
    parser.add_argument(
        "--branch-width",
        type=int,
        choices=[32, 16, 8, 4],
        default=IRNArch.branch_width,
        help="channels of the boundary branch's layers; the displacement branch has up to eight times as many",
    )
    add_save_arguments(parser)
    add_size_arguments(parser)
    add_run_arguments(parser)
    return parser


def start(args: Namespace) -> tuple[IRN, torch.optim.SGD, torch.device]:
    """Build the network with its initial weights on its device, and its optimiser.

    Raises InputError if the device or the weights that `args` name cannot be used.
    """
    import torch

    from common.training import checkpoint
    from common.training import device as devices
    from irn.model import build

    checkpoint.seed_everything(args.seed)
    device = devices.select_device(args.device, args.deterministic, args.tf32)
    model = build(**arguments_of(args, NETWORKS[args.backbone.partition(":")[0]]))
    if args.init:
        checkpoint.load_backbone(model, checkpoint.load(args.init), args.init)
    model = devices.to_device(model, device)
    groups = model.parameter_groups(args.lr, args.weight_decay)
    return model, torch.optim.SGD(groups, args.lr, momentum=args.momentum, fused=device.type == "cuda"), device


def find_mean_displacement(
    args: Namespace, model: IRN, dataset: DataSet, items: list[Item], device: torch.device
) -> torch.Tensor:
    """Mean displacement over the top left crops of all images, padding included as published: float32 (2,)."""
    import torch

    from common.files.preprocess import normalise
    from common.training import device as devices
    from common.training.loading import in_order, make_loader
    from irn.dataset import TopLeftCrops
    from stages import interruption
    from stages.progress import progress_bar

    share = distributed.shard(items)
    images = TopLeftCrops(dataset, share, args.crop_size)
    batches = in_order(len(share), args.batch_size)
    total = torch.zeros(2, dtype=torch.float64, device=device)
    model.train()  # in eval mode it would subtract a mean
    with interruption.deferred(), progress_bar("mean displacement", len(share)) as bar:
        for _, rgb, rectangles in make_loader(images, batches, args.workers, device, images.collate):
            rgb, rectangles = (each.to(device, non_blocking=True) for each in (rgb, rectangles))
            with torch.inference_mode(), devices.autocast(device, args.amp):
                found = model(normalise(rgb, "torchvision", rectangles)).displacement
            total += found.double().mean((2, 3)).sum(0)  # (B, 2, h, w) -> (2,)
            bar.update(len(rgb))
            interruption.check()
    return (distributed.total(total) / len(items)).float()


def run(args: Namespace) -> str:
    """Train and write the weights; returns a summary."""
    import numpy as np

    from common.files.preprocess import normalise
    from common.training import checkpoint
    from common.training.crops import SeedCrops
    from common.training.loop import Training, poly_lr
    from irn.losses import affinity_loss, displacement_loss, pairs_of

    if args.radius >= args.crop_size // 8:
        raise InputError(f"--radius: expected less than an eighth of --crop-size, found {args.radius}")
    dataset = DataSet(args.data)
    items = dataset.split(args.split)
    scales = np.linspace(*args.scales, 1001)
    crops = SeedCrops(dataset, items, args.seeds, args.crop_size, scales, args.seed, stride=STRIDE)
    model, optimizer, device = start(args)

    with Training(args, model, optimizer, crops, device, epochs=args.epochs) as training:
        for iteration, batch in training:
            for group in optimizer.param_groups:
                group["lr"] = poly_lr(args.lr, iteration, training.total, step=1) * group["scale"]
            with training.autocast():
                output = training.model(normalise(batch["image"], "torchvision", batch["rectangle"]))
            pairs = pairs_of(batch["label"], args.radius)
            training.step(
                {
                    "affinity": affinity_loss(output.boundary.float().sigmoid(), pairs, args.radius),
                    "displacement": displacement_loss(output.displacement.float(), pairs, args.radius),
                }
            )

    model.mean_displacement.copy_(find_mean_displacement(args, model, dataset, items, device))
    if distributed.IS_FIRST:
        checkpoint.save(args.out / "weights.pth", arch=model.arch.to_file(), state_dict=model.state_dict())
    return f"{len(items)} images, {args.epochs} epochs"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
