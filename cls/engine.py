"""Network, optimiser, learning rates and weight file of both trainings of the classification stage."""

from argparse import Namespace
from collections.abc import Callable

import torch

from cls.architecture import NETWORKS
from cls.model import CAMNetwork, build
from common.nets.architecture import arguments_of, is_timm
from common.nets.batch_norm import freeze_batch_norm
from common.training import checkpoint
from common.training import device as devices
from common.training.loop import poly_lr
from stages import distributed
from stages.files import InputError


def start(
    args: Namespace, classes: list[str], build: Callable[..., CAMNetwork] = build
) -> tuple[CAMNetwork, torch.optim.SGD, torch.device]:
    """Build the network that --network names, with its initial weights on its device, and its optimiser.

    `build` makes it of the fields of its description, given by name. Raises InputError if the device or the weights
    that `args` name cannot be used.
    """
    checkpoint.seed_everything(args.seed)
    device = devices.select_device(args.device, args.deterministic, args.tf32)
    model = build(classes=len(classes), class_names=classes, **arguments_of(args, NETWORKS[args.network]))
    stride = model.arch.output_stride
    rounds_down = args.backbone == "vgg16"  # the size of its maps; others round up
    if args.input_size and args.input_size % stride and not (rounds_down and args.input_size > stride):
        raise InputError(f"--input-size: expected a multiple of --output-stride, {stride}, found {args.input_size}")
    if args.init:
        checkpoint.load_backbone(model, checkpoint.load(args.init), args.init)
        if is_timm(args.backbone):
            freeze_batch_norm(model.features)
    model = devices.to_device(model, device)
    optimizer = torch.optim.SGD(
        model.parameter_groups(args.lr),
        args.lr,
        momentum=args.momentum,
        nesterov=args.nesterov and args.momentum > 0,  # PyTorch refuses it without momentum
        weight_decay=args.weight_decay,
        fused=device.type == "cuda",
    )
    return model, optimizer, device


def set_learning_rates(optimizer: torch.optim.SGD, args: Namespace, iteration: int, epoch_length: int) -> None:
    """Set each group's learning rate: --lr times its scale, a tenth from each of --decay-epochs on (paper 4.1).

    With --schedule poly it falls polynomially at every step instead, as irn's does.
    """
    if args.schedule == "poly":
        decay = poly_lr(1, iteration, args.epochs * epoch_length, step=1)
    else:
        decay = 0.1 ** sum(iteration // epoch_length >= decay_epoch for decay_epoch in args.decay_epochs)
    for group in optimizer.param_groups:
        group["lr"] = args.lr * group["scale"] * decay


def save(args: Namespace, model: CAMNetwork) -> None:
    """Write <out>/weights.pth in the first process."""
    if distributed.IS_FIRST:
        checkpoint.save(args.out / "weights.pth", arch=model.arch.to_file(), state_dict=dict(model.state_dict()))
