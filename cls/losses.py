"""Losses of the classification stage, without their means (see common.training.losses)."""

import torch
from torch.nn import functional as F

from common.files.images import IGNORE_INDEX
from common.training.losses import Loss


def classification_loss(maps: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Multi-label soft margin loss on the global average of the class maps (Eq. 4).

    maps (B, C, h, w) float32, labels (B, C) of 0 and 1 -> loss of each image (B,).
    """
    return F.multilabel_soft_margin_loss(maps.mean((2, 3)), labels, reduction="none")


def integral_attention_loss(logits: torch.Tensor, targets: torch.Tensor) -> list[Loss]:
    """Loss of the integral attention model (OAA, Jiang et al., ICCV 2019, as published).

    logits (B, C, h, w) float32; targets (B, C, h, w) float32, 0 to 1, 0 for classes that the image does not have. The
    loss is the mean of -t log s(x) over elements with t > 0, plus the mean of log(1 + e^x) over the others. The latter
    is computed as max(x, 0) + log(1 + e^-|x|), whose first term the published 1e-8 keeps below 18.4.
    """
    positive = targets > 0
    positive_loss = -targets * F.logsigmoid(logits)
    negative_loss = -torch.log(torch.exp(-logits.relu()) + 1e-8) + torch.log1p(torch.exp(-logits.abs()))
    return [Loss(positive_loss, positive), Loss(negative_loss, ~positive)]


def balanced_cross_entropy(logits: torch.Tensor, seeds: torch.Tensor, smoothing: float = 0.4) -> list[Loss]:
    """Cross entropy of AMN, in which background and objects of the seeds count half each, as published.

    logits (B, C + 1, h, w) float32; seeds uint8 (B, h, w): 0 background, 1..C, 255 ignored. The target of a pixel is
    1 - smoothing for its own class, and the rest in equal shares for the others. The loss is the mean over background
    pixels, plus that over object pixels, each halved; 0 where there are none.
    """
    share = smoothing / (logits.shape[1] - 1)
    logarithms = logits.log_softmax(1)
    own = logarithms.gather(1, seeds.long().where(seeds < IGNORE_INDEX, 0)[:, None])[:, 0]  # (B, h, w)
    half = -((1 - smoothing - share) * own + share * logarithms.sum(1)) / 2
    return [Loss(half, seeds == 0), Loss(half, (seeds > 0) & (seeds < IGNORE_INDEX))]
