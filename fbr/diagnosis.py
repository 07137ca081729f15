"""Numbers of FBR's training that are watched and change nothing."""

import torch

from common.training.losses import Loss, means
from fbr import contrast
from fbr.losses import Regions
from stages import distributed


def gradient_ratio(features: torch.Tensor, losses: dict[str, torch.Tensor | Loss]) -> dict[str, torch.Tensor]:
    """Length of the contrasts' gradient on the features (B, K, h, w) over the classification's; {} without contrasts.

    `losses` by name, as Training.step takes them. A collective call.
    """
    parts = means({name: losses[name] for name in ("classification", "nroi", "intra") if name in losses})
    classification, *contrasts = parts.values()
    if not contrasts:
        return {}

    def squared_length(loss):
        gradient = torch.autograd.grad(loss, features, retain_graph=True)[0].float()
        return distributed.total(gradient.square().sum())

    ratio = (squared_length(sum(contrasts)) / squared_length(classification).clamp(min=1e-30)).sqrt()
    return {"gradient ratio": ratio / distributed.WORLD_SIZE}


def shares_of_truth(
    regions: Regions, ground_truth: torch.Tensor, context: torch.Tensor | None, prototype_pixels: int
) -> dict[str, torch.Tensor]:
    """Shares of hard pixels and prototype pixels on objects and on context, of context that counts as background.

    ground_truth uint8 (B, h, w), 0, 1..C, 255 ignore, and context uint8 (B, h, w), 0, 1..C, or None, of this process.
    For measuring on data whose ground truth is known; a collective call.
    """
    count = len(regions.pseudo)
    truth = distributed.unshard(ground_truth, count)
    context = torch.zeros_like(truth) if context is None else distributed.unshard(context, count)
    index, weights = contrast.prototype_pixels(regions.activations, regions.pseudo, prototype_pixels)
    is_object, is_context = (truth > 0) & (truth < 255), context > 0
    prototype = torch.zeros(truth.numel() + 1, dtype=torch.bool, device=truth.device)
    index = index.where(weights > 0, truth.numel()).flatten()  # the last place takes what does not count
    prototype.index_fill_(0, index, True)
    prototype, background = prototype[:-1].view_as(regions.hard), regions.pseudo == contrast.BACKGROUND
    shares = {
        "hard pixels on objects": (regions.hard, is_object),
        "hard pixels on context": (regions.hard, is_context),
        "prototypes on objects": (prototype, is_object),
        "prototypes on context": (prototype, is_context),
        "context as background": (is_context, background),
    }
    return {
        f"share/{name}": (part & whole).sum() / whole.sum().clamp(min=1) / distributed.WORLD_SIZE
        for name, (whole, part) in shares.items()
    }
