"""One step of FBR's training (Yin et al., TCSVT 2024): from a batch's class maps and projections to the losses."""

from argparse import Namespace
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from cls.losses import background_loss, background_target, similarity_loss
from cls.model import FBROutput
from common.training.losses import Loss, means
from fbr import contrast
from fbr.nroi import NROIBank, extract_nrois, random_pixels
from fbr.refinement import refine
from stages import distributed

SALIENT = 32  # of 255


class Draws:
    """Random numbers of one training step of `count` images: of seed and iteration alone.

    They are the same in all processes, on GPUs of one model. `dropout`, `queries`, `nroi` and `intra` are generators on
    the device; `images` are `count` seeds.
    """

    def __init__(self, seed: int, iteration: int, count: int, device: torch.device):
        self.count = count
        own, *self.images = np.random.SeedSequence([seed, iteration, 1]).generate_state(1 + count, np.uint64).tolist()
        self.dropout, self.queries, self.nroi, self.intra = (
            torch.Generator(device).manual_seed(own ^ part) for part in range(4)
        )

    def dropout_factors(self, shape: tuple[int, ...], probability: float = 0.5) -> torch.Tensor:
        """Factors of a dropout, this process's share of a batch of `shape` (B, D, h, w)."""
        kept = torch.rand(shape, generator=self.dropout, device=self.dropout.device) >= probability
        return distributed.shard(kept) / (1 - probability)


class Regions(NamedTuple):
    """What the class maps say of each pixel, without gradient, of the images of all processes.

    `activations` (B, C, h, w) from 0 to 1, `pseudo` int64 (B, h, w), see fbr.contrast, `hard` bool (B, h, w).
    """

    activations: torch.Tensor
    pseudo: torch.Tensor
    hard: torch.Tensor


@torch.no_grad()
def find_regions(args: Namespace, maps: torch.Tensor, batch: dict[str, torch.Tensor], count: int) -> Regions:
    """Pseudo labels by the rule --labels, and the hard pixels among them; a collective call.

    maps (B, C, h, w) float32 and the batch of this process; `count` images in all processes.
    """
    labels, background = batch["label"], args.background
    active = contrast.activations(maps, labels)
    if args.labels == "refined":  # setting I
        background = sum(args.band) / 2
        images = F.adaptive_avg_pool2d(batch["image"].movedim(3, 1).float() / 255, maps.shape[2:])
        active = refine(active, images.movedim(1, 3), args.refine_sigma, args.refine_steps)
        pseudo = contrast.band_labels(active, labels, *args.band)
    elif args.labels == "truth":
        pseudo = contrast.labels_of_truth(batch["truth"])
    else:
        pseudo = contrast.pseudo_labels(active, labels, args.background)
        if args.labels == "saliency":  # setting I+S
            pseudo = contrast.clean_by_saliency(pseudo, batch["saliency"] >= SALIENT, labels)
    chances = contrast.probabilities(active, labels, background)
    quantiles = args.hard_quantile, args.entropy_quantile
    hard = contrast.hard_pixels(active, chances, pseudo, *quantiles, entropy_of_objects=args.labels == "saliency")
    active, pseudo, hard = (distributed.unshard(tensor, count) for tensor in (active, pseudo, hard.byte()))
    return Regions(active, pseudo, hard.bool())


def losses_of(
    args: Namespace,
    output: FBROutput,
    maps: torch.Tensor,
    batch: dict[str, torch.Tensor],
    regions: Regions,
    bank: NROIBank,
    draws: Draws,
) -> dict[str, torch.Tensor | Loss]:
    """Weighted losses of the parts whose weight is not 0, without their means (see common.training.losses); a
    collective call.

    maps (B, C, h, w) float32 of this process. The batch's NROIs enter the bank before negatives are drawn.
    """
    losses = {}
    if args.nroi_weight or args.intra_weight:
        foreground = distributed.unshard(output.foreground.float(), draws.count)  # (all B, D, h, w)
        prototypes, present = contrast.class_prototypes(
            foreground, regions.activations, regions.pseudo, args.prototype_pixels
        )
        queries = contrast.choose_queries(regions.hard, regions.pseudo, present, args.queries, draws.queries)
        used = queries.used & _own(queries.index, regions.hard)
    if args.nroi_weight:
        extract = random_pixels if args.random_nrois else extract_nrois
        background = foreground
        if output.background is not output.foreground:
            background = distributed.unshard(output.background.detach().float(), draws.count)
        nrois, valid = extract(background, regions.pseudo == contrast.BACKGROUND, args.centres, draws.images)
        bank.push(nrois.flatten(0, 1), valid.flatten())
        each = contrast.pixel_to_nroi(
            foreground, queries, prototypes, bank, args.negatives, args.temperature, draws.nroi
        )
        losses["nroi"] = Loss(args.nroi_weight * each, used)
    if args.intra_weight:
        each = contrast.intra_foreground(
            foreground, regions.pseudo, queries, prototypes, present, args.negatives, args.temperature, draws.intra
        )
        losses["intra"] = Loss(args.intra_weight * each, used)
    if args.cut_gradient:
        losses = {name: Loss(loss.values.detach() + 0 * loss.values, used) for name, loss in losses.items()}
    if args.similarity_weight:
        loss = similarity_loss(output.foreground.float(), output.background.float())
        losses["similarity"] = args.similarity_weight * loss
    if args.segmentation_weight:
        loss = background_loss(output.segmentation.float(), background_target(maps, batch["label"]))
        losses["segmentation"] = args.segmentation_weight * loss
    return losses


def _own(index, hard):
    """Whether flat pixels are of an image of this process's share, (Q,)."""
    image = index.div(hard[0].numel(), rounding_mode="floor")
    return image % distributed.WORLD_SIZE == distributed.RANK


def gradient_ratio(output: FBROutput, losses: dict[str, torch.Tensor | Loss]) -> dict[str, torch.Tensor]:
    """Length of the contrasts' gradient on the shared features over the classification's, to be watched."""
    parts = means({name: losses[name] for name in ("classification", "nroi", "intra") if name in losses})
    classification, *contrasts = parts.values()
    if not contrasts:
        return {}

    def squared_length(loss):
        gradient = torch.autograd.grad(loss, output.features, retain_graph=True)[0].float()
        return distributed.total(gradient.square().sum())

    ratio = (squared_length(sum(contrasts)) / squared_length(classification).clamp(min=1e-30)).sqrt()
    return {"gradient ratio": ratio / distributed.WORLD_SIZE}


def shares_of_truth(args: Namespace, regions: Regions, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Shares of hard pixels and prototype pixels on objects and on context, of context that counts as background.

    For measuring on data whose ground truth is known; a collective call.
    """
    count = len(regions.pseudo)
    truth = distributed.unshard(batch["truth"], count)
    context = distributed.unshard(batch["context"], count) if "context" in batch else torch.zeros_like(truth)
    index, weights = contrast.prototype_pixels(regions.activations, regions.pseudo, args.prototype_pixels)
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
