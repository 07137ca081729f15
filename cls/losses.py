"""The two losses of the classification stage."""

import torch
from torch.nn import functional as F

from common import distributed


def classification_loss(maps, labels):
    """Multi-label soft margin loss on the global average of the class maps (Eq. 4).

    maps (B, C, h, w) float32, labels (B, C) of 0 and 1 -> scalar.
    """
    count = distributed.total(torch.full((), len(labels), dtype=torch.float32, device=maps.device))
    return F.multilabel_soft_margin_loss(maps.mean((2, 3)), labels, reduction="sum") / count


def integral_attention_loss(logits, targets):
    """The loss of the integral attention model (OAA, Jiang et al., ICCV 2019, as published).

    logits (B, C, h, w) float32; targets likewise, 0 to 1, 0 for classes that the image does not have -> scalar: the mean
    of -t log s(x) over elements with a target, plus the mean of log(1 + e^x) over those without. The latter is written
    as max(x, 0) + log(1 + e^-|x|), whose first term the published 1e-8 keeps below 18.4.
    """
    positive = targets > 0
    attended = -targets * F.logsigmoid(logits)
    silent = -torch.log(torch.exp(-logits.relu()) + 1e-8) + torch.log1p(torch.exp(-logits.abs()))
    return _mean_where(positive, attended) + _mean_where(~positive, silent)


def _mean_where(mask, values):
    """This process's part of the mean of `values` over all processes' elements in `mask`, and 0 of nothing.

    A sum of masked values: picking them out would make a GPU wait until their number is known.
    """
    return values.where(mask, 0).sum() / distributed.total(mask.sum()).clamp(min=1)
