"""Pretrains a thin VGG for the toy data, in place of the paper's ImageNet weights (section 4.1).

The network learns to tell shape, texture and hue of single objects on varied backgrounds. The three are drawn
independently, so that the backbone knows what objects are made of, but no class of the toy data. Input is RGB with
ImageNet's mean and standard deviation. Writes <out>/weights.pth, {"arch": a VGGArch, "state_dict"}, whose
parameters are those of common.nets.vgg.vgg_features with the prefix "features.".
"""

import math
from functools import partial

import numpy as np

from common.files.preprocess import normalise
from common.training.arguments import add_run_arguments, add_vgg_arguments
from data.toy_drawing import SHAPES, TEXTURES, draw_background, draw_object, to_bytes, uniform
from stages.arguments import positive_float, positive_int
from stages.command import main, stage_parser
from stages.files import InputError
from stages.parallel import map_each
from stages.progress import progress_bar

CROP_SIZE = 64
HUES = 8
FACTORS = {"shape": len(SHAPES), "texture": len(TEXTURES), "hue": HUES}


def draw_crop(index, seed):
    """Crop number `index`: uint8 (CROP_SIZE, CROP_SIZE, 3), RGB, and its (shape, texture, hue), three indices."""
    rng = np.random.default_rng([seed, 2, index])  # 0 and 1 are the splits of data.prepare_toy
    size = (CROP_SIZE, CROP_SIZE)
    factors = tuple(int(rng.integers(count)) for count in FACTORS.values())
    shape, texture, hue = factors
    image = draw_background(rng, size, clutter=0)
    radius = uniform(rng, 10, 26)
    row, column = (uniform(rng, 0.8 * radius, CROP_SIZE - 0.8 * radius) for _ in size)
    hue = (hue + uniform(rng, -0.4, 0.4)) / HUES
    opacity = uniform(rng, 0.5, 1)
    draw_object(rng, image, list(SHAPES)[shape], list(TEXTURES)[texture], hue, row, column, radius, opacity)
    return to_bytes(rng, image), factors


def draw_crops(count, seed, workers):
    """uint8 (count, CROP_SIZE, CROP_SIZE, 3) and int64 (count, 3), the same with any number of processes."""
    images, factors = zip(*map_each(partial(draw_crop, seed=seed), range(count), workers, "draw"))
    return np.stack(images), np.array(factors)


def build(backbone):
    """The backbone `features`, and on its global average a linear classifier `head` of all three factors at once."""
    from torch import nn

    from common.nets.vgg import vgg_features

    features = vgg_features(backbone)  # first: the order decides which random numbers the layers get
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(backbone.channels[-1], sum(FACTORS.values())))
    return nn.ModuleDict({"features": features, "head": head})


def forward(network, images, device, amp):
    """uint8 (B, H, W, 3) -> three float32 logits, one (B, count) per factor."""
    from common.training.device import autocast

    with autocast(device, amp):
        logits = network["head"](network["features"](normalise(images.to(device), "torchvision")))
    return logits.float().split(list(FACTORS.values()), dim=1)


def train(network, images, factors, args, device):
    """Nesterov SGD with a learning rate that rises over the first tenth of the steps and falls linearly to 0.

    Returns the last step's loss.
    """
    import torch
    from torch.nn.functional import cross_entropy

    optimizer = torch.optim.SGD(network.parameters(), lr=args.lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    generator = torch.Generator().manual_seed(args.seed)
    network.train()
    with progress_bar("train", args.steps, unit="it") as bar:
        for step in range(args.steps):
            lr = args.lr * min(10 * (step + 1) / args.steps, (args.steps - step) / (0.9 * args.steps))
            optimizer.param_groups[0]["lr"] = lr
            chosen = torch.randint(len(images), (args.batch_size,), generator=generator)
            batch, target = images[chosen], factors[chosen].to(device)
            if step % 2:
                batch = batch.flip(2)
            logits = forward(network, batch, device, args.amp)
            loss = sum(cross_entropy(logit, target[:, i]) for i, logit in enumerate(logits))
            if not math.isfinite(loss.item()):
                raise InputError(f"the loss is {loss.item()} at step {step}; try an --lr under {args.lr:g}")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            bar.set_postfix(loss=f"{loss.item():.3f}", lr=f"{lr:.4f}", refresh=False)
            bar.update()
    return loss.item()


def arguments():
    parser = stage_parser(__doc__, data=False)
    add_vgg_arguments(parser)
    parser.set_defaults(channels=[16, 32, 64, 96, 96], depths=[1, 1, 2, 2, 2], batch_norm=True)
    parser.add_argument("--crops", type=positive_int, default=5000, help="training crops")
    parser.add_argument("--steps", type=positive_int, default=900, help="training steps")
    parser.add_argument("--batch-size", type=positive_int, default=32, help="crops per step")
    parser.add_argument("--lr", type=positive_float, default=0.05, help="peak learning rate")
    add_run_arguments(parser)
    return parser


def run(args):
    images, factors = draw_crops(args.crops, args.seed, args.workers)

    import torch  # here, so that --help and a finished stage do not wait for it

    from common.nets.architecture import VGGArch
    from common.training import checkpoint, device

    place = device.select_device(args.device, args.deterministic, args.tf32)
    checkpoint.seed_everything(args.seed)
    images, factors = torch.from_numpy(images), torch.from_numpy(factors)
    backbone = VGGArch(channels=args.channels, depths=args.depths, batch_norm=args.batch_norm)
    network = device.to_device(build(backbone), place)
    loss = train(network, images, factors, args, place)
    tensors = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    features = {name: tensor for name, tensor in tensors.items() if name.startswith("features.")}
    checkpoint.save(args.out / "weights.pth", arch=backbone.to_file(), state_dict=features)
    return f"{args.steps} steps, loss {loss:.3f}"


if __name__ == "__main__":
    main(arguments(), run, one_process=True)
