"""Contrast of FBR (Yin et al., TCSVT 2024): pseudo labels, hard pixels, prototypes, negatives, and the losses.

Pseudo labels are int64 (B, h, w): a 0-based foreground class, BACKGROUND, or IGNORED: neither query, prototype nor
NROI. Flat pixels, N = B h w of them, are in the order of (image, row, column).
"""

from typing import NamedTuple

import torch
from torch.nn import functional as F

from fbr.nroi import NROIBank

BACKGROUND, IGNORED = -1, -2


def activations(maps: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Rectify class maps (B, C, h, w) and divide each by its maximum: 0 to 1.

    labels (B, C) of 0 and 1; 0 everywhere for classes that the image does not have.
    """
    maps = maps.relu() * labels[:, :, None, None]
    return maps / (maps.amax((2, 3), keepdim=True) + 1e-5)


def scaled_probabilities(probabilities: torch.Tensor) -> torch.Tensor:
    """Scale each channel of each image from its minimum and maximum to 0 and 1 (setting I, on AMN's probabilities).

    probabilities (B, C + 1, h, w) -> activations (B, C + 1, h, w).
    """
    low, high = probabilities.amin((2, 3), keepdim=True), probabilities.amax((2, 3), keepdim=True)
    return (probabilities - low) / (high - low + 1e-5)


def pseudo_labels(
    activations: torch.Tensor, labels: torch.Tensor, background: float | torch.Tensor = 0.1
) -> torch.Tensor:
    """Give each pixel the strongest of its image's classes if it is above `background`, else BACKGROUND.

    activations (B, C, h, w) from 0 to 1, labels (B, C) of 0 and 1, `background` a number or (B, h, w) -> int64
    (B, h, w). The published code of setting I takes the strongest of all classes, of the others too.
    """
    strongest, cls = _strongest(activations, labels)
    return cls.where(strongest > background, BACKGROUND)


def band_labels(activations: torch.Tensor, labels: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """As `pseudo_labels`: object above `high`, BACKGROUND below `low`, IGNORED between (ours, for refined maps)."""
    strongest, cls = _strongest(activations, labels)
    return cls.where(strongest > high, IGNORED).where(strongest >= low, BACKGROUND)


def clean_by_saliency(pseudo: torch.Tensor, salient: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Object pixels that are not salient: BACKGROUND in images of one class, IGNORED in those of several (ours).

    pseudo int64 (B, h, w), salient bool (B, h, w), labels (B, C) of 0 and 1 -> int64 (B, h, w).
    """
    simple = (labels.sum(1) == 1)[:, None, None]
    instead = torch.full_like(pseudo, IGNORED).masked_fill(simple, BACKGROUND)
    return pseudo.where((pseudo < 0) | salient, instead)


def labels_of_truth(truth: torch.Tensor) -> torch.Tensor:
    """Pseudo labels of ground truth (B, h, w), 0 background, 1..C, 255 ignore: a bound, for measuring alone."""
    truth = truth.long()
    return (truth - 1).where(truth < 255, IGNORED)


def _strongest(activations, labels):
    """Value and class of each pixel's strongest activation among its image's classes, (B, h, w) each."""
    return activations.masked_fill(labels[:, :, None, None] == 0, -1).max(1)


def probabilities(activations: torch.Tensor, labels: torch.Tensor, background: float) -> torch.Tensor:
    """Softmax over the constant `background` and the image's classes: (B, C, h, w) -> (B, C + 1, h, w)."""
    own = activations.masked_fill(labels[:, :, None, None] == 0, -torch.inf)
    return torch.cat([torch.full_like(activations[:, :1], background), own], 1).softmax(1)


def hard_pixels(
    activations: torch.Tensor,
    probabilities: torch.Tensor,
    pseudo: torch.Tensor,
    quantile: float,
    entropy_quantile: float,
    entropy_of_objects: bool = False,
) -> torch.Tensor:
    """Find the object pixels that are neither sure nor of low entropy: the queries of both contrasts.

    activations (B, C, h, w), probabilities (B, P, h, w) which sum to 1 over P, pseudo int64 (B, h, w) -> bool
    (B, h, w). A pixel is sure if its class's activation is above the value at place floor(quantile n) of the n values
    > 0.05, in ascending order, that its image's pixels of that class have; if n is 0, none is sure. Its entropy is low
    if it is not above the entropy_quantile of those of all pixels of its image (the published code of setting I); with
    `entropy_of_objects` the others count as 0, so that in an image with much background no entropy is low (I+S).
    """
    is_object = pseudo >= 0
    own = activations.gather(1, pseudo.clamp(min=0)[:, None])[:, 0]  # (B, h, w), the value of the pixel's class
    counts = is_object & (own > 0.05)
    member = F.one_hot(pseudo.clamp(min=0), activations.shape[1]).bool() & counts[..., None]  # (B, h, w, C)
    values = own[..., None].where(member, torch.inf).flatten(1, 2).sort(dim=1).values  # (B, h w, C)
    place = (member.flatten(1, 2).sum(1, keepdim=True).double() * quantile).long()  # (B, 1, C)
    limits = values.gather(1, place.clamp(max=values.shape[1] - 1))[:, 0]  # (B, C), infinite without values
    sure = own > limits.gather(1, pseudo.clamp(min=0).flatten(1)).view_as(own)
    entropy = torch.special.entr(probabilities).sum(1)
    if entropy_of_objects:
        entropy = entropy * is_object
    ascending = entropy.flatten(1).sort(dim=1).values  # torch.quantile takes no empty batch
    low, part = divmod(entropy_quantile * (ascending.shape[1] - 1), 1)
    lowest = ascending[:, int(low)].lerp(ascending[:, min(int(low) + 1, ascending.shape[1] - 1)], part)
    return is_object & ~sure & (entropy > lowest[:, None, None])


def prototype_pixels(activations: torch.Tensor, pseudo: torch.Tensor, pixels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the `pixels` most active of each class's pixels in the batch: flat index and activation, (C, k) each.

    A class of fewer pixels has activation 0 for the rest.
    """
    member = F.one_hot(pseudo.clamp(min=0), activations.shape[1]) * (pseudo >= 0)[..., None]  # (B, h, w, C)
    values = (activations.movedim(1, 3) * member).flatten(0, 2).T  # (C, N)
    values, index = values.topk(min(pixels, values.shape[1]), dim=1)
    return index, values


def class_prototypes(
    features: torch.Tensor, activations: torch.Tensor, pseudo: torch.Tensor, pixels: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Average the features of each class's most active pixels in the batch, by their activations, without gradient.

    features (B, D, h, w), activations (B, C, h, w), pseudo int64 (B, h, w) -> prototypes (C, D), not normalised, and
    bool (C,), whether the batch has the class; the others' prototypes are 0.
    """
    index, weights = prototype_pixels(activations, pseudo, pixels)
    chosen = _flat(features.detach())[index]  # (C, k, D)
    total = weights.sum(1, keepdim=True)
    return (weights[..., None] * chosen).sum(1) / total.clamp(min=1e-8), total[:, 0] > 0


def sampling_probabilities(prototypes: torch.Tensor, temperature: float) -> torch.Tensor:
    """Chance of each other class to give a negative: softmax of the prototypes' cosines over `temperature`.

    prototypes (P, D) -> (P, P), rows of the queries' classes: they sum to 1 and are 0 on the diagonal; 0 if P is 1.
    """
    unit = _unit(prototypes)
    same = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    return (unit @ unit.T / temperature).masked_fill(same, -torch.inf).softmax(1).nan_to_num(0)


def contrast(
    queries: torch.Tensor, positives: torch.Tensor, negatives: torch.Tensor, temperature: float
) -> torch.Tensor:
    """Compare each query with its positive against its negatives, by cosines over the features (Eq. 7).

    queries (Q, D), positives (Q, D), negatives (Q, K, D) -> (Q,), the -log of e^(cos+ / t) over e^(cos+ / t) plus the
    sum of e^(cos- / t), t = temperature. Gradients flow into the queries alone. A zero vector has cosine 0.
    """
    unit, negatives = _unit(queries), negatives.detach()
    lengths = torch.linalg.vector_norm(negatives, dim=2).clamp(min=1e-8)
    return _compare(unit, positives, torch.einsum("qd,qkd->qk", unit, negatives) / lengths, temperature)


def _compare(unit, positives, negative, temperature):
    """Contrast of queries of length 1 (Q, D), positives (Q, D) and the cosines of the negatives (Q, K)."""
    positive = (unit * _unit(positives.detach())).sum(1, keepdim=True)  # (Q, 1)
    return torch.cat([positive, negative], 1).div(temperature).logsumexp(1) - positive[:, 0] / temperature


def _unit(vectors):
    return F.normalize(vectors, dim=1, eps=1e-8)


class Queries(NamedTuple):
    """Q rows for hard pixels, of which some may be unused: flat `index` (Q,), `classes` (Q,), bool `used` (Q,).

    `weight` (Q,) float32: a loss is the mean of weight times each query's over the queries that are used.
    """

    index: torch.Tensor
    classes: torch.Tensor
    used: torch.Tensor
    weight: torch.Tensor


def choose_queries(
    hard: torch.Tensor, pseudo: torch.Tensor, present: torch.Tensor, limit: int, generator: torch.Generator
) -> Queries:
    """Choose `limit` of the hard pixels at random, or take all; always `limit` rows, so that a device need not wait.

    hard bool (B, h, w), pseudo int64 (B, h, w), present bool (C,). Weights make of the mean over all queries that over
    a class's queries, summed over the classes and divided by the number of those that the batch has, with or without
    queries.
    """
    flat = hard.flatten()
    chances = torch.rand(flat.shape, generator=generator, device=flat.device) + flat
    chances, index = chances.topk(min(limit, len(flat)))
    classes = pseudo.flatten()[index].clamp(min=0)
    used = (chances >= 1) & present[classes]
    counts = (F.one_hot(classes, len(present)) * used[:, None]).sum(0)
    weight = used.sum() / (counts[classes].clamp(min=1) * present.sum().clamp(min=1))
    return Queries(index, classes, used, weight)


def pixel_to_nroi(
    features: torch.Tensor,
    queries: Queries,
    prototypes: torch.Tensor,
    bank: NROIBank,
    negatives: int,
    temperature: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Pull hard pixels to their class's prototype, and push them from `negatives` NROIs each (Eq. 7).

    features (B, D, h, w), prototypes (C, D) -> weighted loss of each query (Q,), 0 as long as the bank is empty.
    """
    drawn = bank.draw((len(queries.index), negatives), generator)  # (Q, K, D)
    own = _flat(features)[queries.index]  # (Q, D)
    each = contrast(own, prototypes[queries.classes], drawn, temperature)
    return queries.weight * each * (bank.filled > 0)


def intra_foreground(
    features: torch.Tensor,
    pseudo: torch.Tensor,
    queries: Queries,
    prototypes: torch.Tensor,
    present: torch.Tensor,
    negatives: int,
    temperature: float,
    generator: torch.Generator,
) -> torch.Tensor:
    """Pull hard pixels to their class's prototype, and push them from pixels of classes like it (Eq. 9).

    features (B, D, h, w), pseudo int64 (B, h, w), prototypes (C, D), present bool (C,) -> weighted loss of each query
    (Q,), 0 if the batch has fewer than two classes. Active sampling: each negative is of a class drawn by
    `sampling_probabilities`, and a pixel of that class drawn uniformly.
    """
    index = draw_pixels_of_other_classes(
        pseudo, queries.classes, sampling_probabilities(prototypes, temperature) * present, negatives, generator
    )
    pixels = _flat(features)
    unit = _unit(pixels[queries.index])
    negative = (unit @ _unit(pixels.detach()).T).gather(1, index)  # cosines (Q, K), without K features for each query
    each = _compare(unit, prototypes[queries.classes], negative, temperature)
    return queries.weight * each * (present.sum() > 1)


def draw_pixels_of_other_classes(
    pseudo: torch.Tensor, classes: torch.Tensor, chances: torch.Tensor, count: int, generator: torch.Generator
) -> torch.Tensor:
    """Draw `count` pixels for each of the `classes` (Q,): a class by its row of chances (C, C), then any pixel of it.

    pseudo int64 (B, h, w) -> flat index (Q, count); any pixel where a row of chances is 0.
    """
    flat, known = pseudo.flatten(), torch.arange(len(chances), device=pseudo.device)
    steps = chances @ torch.ones_like(chances).triu()  # cumulative; a sum over rows, unlike cumsum, is deterministic
    chance, place = torch.rand(2, len(classes), count, generator=generator, device=pseudo.device)
    found = torch.searchsorted(steps[classes], chance.clamp(max=1 - 1e-6) * steps[classes, -1:], right=True)
    found = found.clamp(max=len(chances) - 1)  # (Q, count), class of each negative
    order = flat.argsort(stable=True)
    first, size = (flat < known[:, None]).sum(1), (flat == known[:, None]).sum(1)  # (C,)
    within = (place * size[found]).long().minimum(size[found] - 1)
    return order[(first[found] + within).clamp(0, len(flat) - 1)]


def _flat(features):
    """(B, D, h, w) -> (N, D)."""
    return features.movedim(1, 3).flatten(0, 2)
