"""What the trainings of the classifier and of the integral attention model share."""

import math

import torch

from cls.model import build, parameter_groups
from common import checkpoint, distributed, training
from common import device as devices
from common.loading import make_loader
from common.preprocess import normalise
from common.stage import TRAINING_STATE


def train(args, network, images, loss_of, state=None):
    """Trains a network on `images` and writes <out>/weights.pth. Returns a few words on what was done.

    `loss_of(maps, batch, epoch)` gets the class maps (B, C, h, w) in float32 and returns the loss.
    `state` is what changes with the weights and must survive an interruption (has state_dict, load_state_dict, to).
    """
    checkpoint.seed_everything(args.seed)
    device = devices.pick(args.device, args.deterministic, args.tf32)
    arch = architecture(args, network, len(images.dataset.classes))
    model = build(**arch)
    if args.init:
        checkpoint.load_trunk(model, checkpoint.load(args.init), args.init)
    model = devices.place(model, device)
    optimizer = torch.optim.SGD(
        parameter_groups(model, args.lr),
        args.lr,
        momentum=0.9,
        nesterov=True,
        weight_decay=args.weight_decay,
        fused=device.type == "cuda",
    )
    checkpoint.seed_apart(args.seed)
    start, extra = checkpoint.resume_training(args.out / TRAINING_STATE, model, optimizer)
    if state:
        state.to(device)
        if extra:
            state.load_state_dict(extra)

    epoch_length = math.ceil(len(images) / args.batch_size)
    total = args.epochs * epoch_length
    batches = training.ShuffledBatches(len(images), args.batch_size, total, args.seed, start, whole_epochs=True)

    parallel = distributed.parallel(model)

    def step(iteration, batch):
        epoch = iteration // epoch_length
        decay = 0.1 ** sum(epoch >= decay_epoch for decay_epoch in args.decay_epochs)
        for group in optimizer.param_groups:
            group["lr"] = args.lr * group["scale"] * decay
        batch = training.to_device(batch, device)
        with devices.autocast(device, args.amp):
            maps = parallel(normalise(batch["image"], "torchvision"))  # (B, C, h, w)
        return loss_of(maps.float(), batch, epoch)

    loader = make_loader(images, batches, args.workers, device)
    training.iterate(args, model, optimizer, loader, step, total, start, state.state_dict if state else dict)
    if distributed.IS_FIRST:
        checkpoint.save(args.out / "weights.pth", arch=arch, state_dict=model.state_dict())
    return f"{len(images)} images, {args.epochs} epochs"


def architecture(args, network, classes):
    """What `cls.model.build` needs, as it stands in the weight file."""
    return {
        "network": network,
        "classes": classes,
        "channels": list(args.channels),
        "depths": list(args.depths),
        "batch_norm": args.batch_norm,
        "output_stride": args.output_stride,
        "nodes": args.nodes,
        "glore": args.glore,
        "local_unit": args.local_unit,
    }
