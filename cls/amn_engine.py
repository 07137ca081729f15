"""Network, optimiser and images of AMN's training, without and with FBR."""

from argparse import Namespace
from collections.abc import Callable

import numpy as np
import torch

from cls.amn import AMN, build
from cls.amn_architecture import NETWORKS
from cls.dataset import label_vector
from common.files.dataset import DataSet, Item
from common.nets.architecture import arguments_of
from common.nets.batch_norm import freeze_batch_norm
from common.training import checkpoint
from common.training import device as devices
from common.training.crops import SeedCrops
from stages.files import InputError


def start(
    args: Namespace, classes: list[str], build: Callable[..., AMN] = build
) -> tuple[AMN, torch.optim.Adam, torch.device]:
    """Build the network with its initial weights on its device, and its optimiser.

    `build` makes it of the fields of its description, given by name. Raises InputError if the device, the weights or
    the size of the crops that `args` name cannot be used.
    """
    checkpoint.seed_everything(args.seed)
    device = devices.select_device(args.device, args.deterministic, args.tf32)
    kind = NETWORKS[args.backbone.partition(":")[0]]
    model = build(classes=len(classes), class_names=classes, **arguments_of(args, kind))
    stride = model.arch.output_stride
    if args.crop_size % stride:
        raise InputError(f"--crop-size: expected a multiple of the output stride, {stride}, found {args.crop_size}")
    if args.init:
        checkpoint.load_backbone(model, checkpoint.load(args.init), args.init)
        if args.backbone != "resnet50":  # which trains the weights and biases of its batch norm
            freeze_batch_norm(model.features)
    model = devices.to_device(model, device)
    groups = model.parameter_groups(args.lr)
    return model, torch.optim.Adam(groups, weight_decay=args.weight_decay, fused=device.type == "cuda"), device


def crops_of(args: Namespace, dataset: DataSet, items: list[Item], model: AMN) -> SeedCrops:
    """Crops of the images with their --seeds at the stride of the network's logits."""
    scales, stride = np.linspace(*args.scales, 1001), model.arch.output_stride
    return SeedCrops(dataset, items, args.seeds, args.crop_size, scales, args.seed, stride=stride)


def label_vectors(items: list[Item], classes: int) -> torch.Tensor:
    """Labels of N images, float32 (N, C) of 0 and 1."""
    return torch.stack([label_vector(item, classes) for item in items])
