"""Losses before their mean, which Training.step takes over the whole batch of all processes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from stages import distributed


@dataclass(frozen=True)
class Loss:
    """Loss of each element: `values` float32 of any shape, and bool `mask` of the same shape, the elements that count.

    All count without a mask. A plain tensor stands for a Loss without one, a sequence for the sum of its means.
    """

    values: torch.Tensor
    mask: torch.Tensor | None = None


def means(losses: dict[str, torch.Tensor | Loss | Sequence[Loss]]) -> dict[str, torch.Tensor]:
    """This process's part of each loss's mean over the whole batch: its sum over the number of all processes' elements.

    {name: scalar}; 0 where no element counts. A collective call. Sums are masked, because selecting the elements would
    make a GPU wait until their number is known. Raises ValueError for a scalar, whose mean would be this process's own.
    """
    terms = {name: _terms(name, loss) for name, loss in losses.items()}
    flat = [term for each in terms.values() for term in each]
    counts = torch.stack([_count(term) for term in flat])
    counts = distributed.total(counts).clamp(min=1).float()
    sums = [(term.values if term.mask is None else term.values.where(term.mask, 0)).sum() for term in flat]
    parts = iter(torch.stack(sums) / counts)
    return {name: sum(next(parts) for _ in each) for name, each in terms.items()}


def _count(term):
    """How many elements of a Loss count, float64 on its device."""
    if term.mask is not None:
        return term.mask.sum(dtype=torch.float64)
    return term.values.new_full((), term.values.numel(), dtype=torch.float64)


def _terms(name, loss):
    """The Losses whose means a loss is the sum of. Raises ValueError."""
    given = loss if isinstance(loss, Sequence) else [loss]
    terms = [each if isinstance(each, Loss) else Loss(each) for each in given]
    for values, mask in ((term.values, term.mask) for term in terms):
        if values.dim() == 0:
            raise ValueError(
                f'the {name} loss is a scalar: expected its elements, as reduction="none" gives them, such as (B,) or '
                "(B, C, h, w); their mean over the batch of all processes is taken by Training.step"
            )
        if mask is not None and (mask.dtype != torch.bool or mask.shape != values.shape):
            found = f"{mask.dtype} {tuple(mask.shape)}"
            raise ValueError(f"the {name} loss: expected a bool mask of shape {tuple(values.shape)}, found {found}")
    return terms
