"""weights.pretrain_toy from end to end against the plain loop: every weight of the trunk."""

import importlib

import torch
import torch.nn.functional as F
from torch import nn

from tests.wiring.conftest import assert_trained_alike
from tests.wiring.networks import vgg
from tests.wiring.plain import SGD, as_batch, network_input

TRUNK = {"channels": [4, 4, 8, 8, 8], "depths": [1, 1, 1, 1, 1], "batch_norm": True}
STEPS, BATCH, LR = 12, 4, 0.02


def plain_training(crops, factors, counts, seed):
    """Returns (the trunk, its initial tensors). `factors` int64 (N, 3): shape, texture and hue, of so many `counts`."""
    torch.manual_seed(seed)
    trunk = vgg(**TRUNK)
    head = nn.Linear(TRUNK["channels"][-1], sum(counts))
    start = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    trunk.to(memory_format=torch.channels_last)
    optimizer = SGD([([parameter], 1, 5e-4) for parameter in (*trunk.parameters(), *head.parameters())], nesterov=True)
    drawn = torch.Generator().manual_seed(seed)
    for step in range(STEPS):
        chosen = torch.randint(len(crops), (BATCH,), generator=drawn)
        images = as_batch([network_input(crops[index]) for index in chosen])
        logits = head(trunk(images.flip(3) if step % 2 else images).mean((2, 3))).split(counts, dim=1)
        loss = sum(F.cross_entropy(own, factors[chosen, i]) for i, own in enumerate(logits))
        rise, fall = 10 * (step + 1) / STEPS, (STEPS - step) / (0.9 * STEPS)
        optimizer.step(loss, LR * min(rise, fall))
    return trunk, start


def test_pretraining(tmp_path):
    module = importlib.import_module("weights.pretrain_toy")
    sizes = ["--channels", *TRUNK["channels"], "--depths", *TRUNK["depths"], "--batch-norm"]
    schedule = ["--crops", 20, "--steps", STEPS, "--batch-size", BATCH, "--lr", LR, "--seed", 2]
    command = [*sizes, *schedule, "--no-amp", "--workers", 0, "--device", "cpu", "--out", tmp_path / "toy"]
    parser = getattr(module, "parser", None) or module.arguments
    (tmp_path / "toy").mkdir()
    module.run(parser().parse_args(list(map(str, command))))
    found = torch.load(next(tmp_path.rglob("*.pth")), weights_only=True)
    assert all(list(found["arch"][name]) == TRUNK[name] for name in ("channels", "depths"))
    crops, factors = module.draw_crops(20, 2, 0)
    trunk, start = plain_training(crops, torch.from_numpy(factors), list(module.FACTORS.values()), 2)
    state = {name.removeprefix("features."): tensor for name, tensor in found["state_dict"].items()}
    assert_trained_alike(state, trunk.state_dict(), start)
