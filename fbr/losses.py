"""FBR's losses on the features of any classifier (Yin et al., TCSVT 2024), without their means.

See common.training.losses for the means, which are taken over the batch of all processes.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from common.training.losses import Loss
from fbr import contrast
from fbr.nroi import NROIBank, extract_nrois, random_pixels
from fbr.refinement import refine
from fbr.settings import Settings
from stages import distributed

SALIENT = 32  # of 255
PROJECTED = {  # the losses that need each projection
    "foreground": {"nroi", "intra", "similarity"},
    "background": {"nroi", "similarity", "segmentation"},
}


class Regions(NamedTuple):
    """Pixels by their class maps, without gradient, of the images of all processes.

    `activations` (B, C, h, w) from 0 to 1, `pseudo` int64 (B, h, w), see fbr.contrast, `hard` bool (B, h, w).
    """

    activations: Tensor
    pseudo: Tensor
    hard: Tensor


class FBR(nn.Module):
    """All of FBR, for a network that holds it as one of its modules:

        self.fbr = FBR(512)  # in the network's __init__; 512 channels of features
        losses |= self.fbr(features, maps, labels)  # {name: loss}, weighted, without its mean

    (docs/own_network.md has a whole training.) It has the projections of the features (1x1 convolutions without bias,
    then ReLU; `heads` "two" is one for objects and one for background, "shared" one for both, "none" the features
    themselves), the background segmentation, a 1x1 convolution, and the bank of NROIs. What is drawn follows from
    `seed` and the number of calls so far, and is the same in all processes, on GPUs of one model. Projections start
    from random numbers that leave PyTorch's state alone. Without `settings` they are the published ones.
    """

    def __init__(self, channels: int, settings: Settings | None = None, seed: int = 0):
        super().__init__()
        settings = settings or Settings()
        self.settings, self.seed, self.calls, self.weights = settings, seed, 0, settings.weights()
        self.regions: Regions | None = None  # of the last call
        needed = [name for name, losses in PROJECTED.items() if losses & self.weights.keys()]
        names = {"two": needed, "shared": ["both"] * bool(needed), "none": []}[settings.heads]
        width = channels if settings.heads == "none" else settings.embedding
        with torch.random.fork_rng(devices=[]):
            self.heads = nn.ModuleDict()
            for name in names:
                self.heads[name] = nn.Conv2d(channels, width, 1, bias=False)
                nn.init.xavier_uniform_(self.heads[name].weight)
            if "segmentation" in self.weights:
                self.heads["segmentation"] = nn.Conv2d(width, 1, 1)
        self.bank = NROIBank(width, settings.bank_size)

    def forward(
        self, features: Tensor, maps: Tensor, labels: Tensor, warm_up: bool = False, **inputs: Tensor
    ) -> dict[str, Loss]:
        """Losses of one training step, within autocast or outside of it; a collective call.

        features (B, K, h, w) in the precision of the network, maps (B, C, h, w), not rectified, or logits of a network
        that also knows background (B, C + 1, h, w), background first, as AMN's, and labels (B, C) of 0 and 1, of this
        process's images, see stages.distributed.shard. Gradients flow into features and projections alone.
        Some rules `labels` of the settings need more `inputs`: "refined" images, uint8 (B, H, W, 3) RGB; "saliency"
        saliency, uint8 (B, h, w); "truth" ground_truth, uint8 (B, h, w), 0, 1..C, 255 ignore. In the `warm_up` all
        losses are 0. Returns "nroi" (Eq. 7), "intra" (Eq. 9), "similarity" and "segmentation" (Eq. 6), those that have
        a weight. Raises ValueError if there are not as many maps as labels, or one more.
        """
        if maps.shape[1] - labels.shape[1] not in (0, 1):
            raise ValueError(f"expected {labels.shape[1]} maps, or the background's, too, found {maps.shape[1]}")
        with torch.autocast(maps.device.type, enabled=False):
            maps = maps.float()
            if warm_up:
                losses = {name: Loss(maps.new_zeros(len(maps))) for name in self.weights}
            else:
                count = int(distributed.total(torch.tensor(len(maps))))  # images of all processes; on the CPU
                draws = Draws(self.seed, self.calls, count, maps.device)
                self.regions = self.find_regions(maps, labels, count, **inputs)
                losses = self.unweighted(features, maps, labels, draws)
            self.calls += 1
            # 0, because several processes wait for the gradient of every parameter
            touched = sum(0 * parameter.sum() for parameter in self.heads.parameters())
            return {name: Loss(self.weights[name] * loss.values + touched, loss.mask) for name, loss in losses.items()}

    def unweighted(self, features: Tensor, maps: Tensor, labels: Tensor, draws: "Draws") -> dict[str, Loss]:
        """Losses that have a weight, without it."""
        names, losses, mixed = self.weights.keys(), {}, features.dtype != torch.float32
        with torch.autocast(features.device.type, features.dtype if mixed else torch.bfloat16, enabled=mixed):
            foreground, background = self.project(features)
            if "segmentation" in names:
                dropout_mask = draws.dropout_mask((draws.count, *background.shape[1:]))
                logits = self.heads["segmentation"](background * dropout_mask)[:, 0]
        if names & {"nroi", "intra"}:
            losses |= self.contrasts(foreground.float(), background, draws)
        if "similarity" in names:
            losses["similarity"] = Loss(similarity_loss(foreground.float(), background.float()))
        if "segmentation" in names:
            target = background_target(maps[:, -labels.shape[1] :], labels)
            losses["segmentation"] = Loss(background_loss(logits.float(), target))
        return losses

    def project(self, features: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Projections for objects and for background, (B, D, h, w) each; None where no loss needs it."""
        if self.settings.heads == "none":
            return features, features
        projected = {name: head(features) for name, head in self.heads.items() if name != "segmentation"}
        if self.settings.projection_relu:
            projected = {name: each.relu() for name, each in projected.items()}
        both = projected.get("both")
        return projected.get("foreground", both), projected.get("background", both)

    @torch.no_grad()
    def find_regions(self, maps, labels, count, images=None, saliency=None, ground_truth=None) -> Regions:
        """Pseudo labels by the rule `labels` of the settings, and the hard pixels among them; a collective call."""
        rules, chances = self.settings, None
        if maps.shape[1] > labels.shape[1]:  # logits, of which the background's say where background is
            chances = maps.softmax(1)
            scaled = contrast.scaled_probabilities(chances)
            active, background = scaled[:, 1:], scaled[:, 0]
        else:
            active, background = contrast.activations(maps, labels), rules.background
        if rules.labels == "refined":  # setting I
            background = sum(rules.band) / 2
            colours = F.adaptive_avg_pool2d(images.movedim(3, 1).float() / 255, maps.shape[2:])
            active = refine(active, colours.movedim(1, 3), rules.refine_sigma, rules.refine_steps)
            pseudo = contrast.band_labels(active, labels, *rules.band)
        elif rules.labels == "truth":
            pseudo = contrast.labels_of_truth(ground_truth)
        else:
            pseudo = contrast.pseudo_labels(active, labels, background)
            if rules.labels == "saliency":  # setting I+S
                pseudo = contrast.clean_by_saliency(pseudo, saliency >= SALIENT, labels)
        if chances is None:
            chances = contrast.probabilities(active, labels, background)
        quantiles = rules.hard_quantile, rules.entropy_quantile
        hard = contrast.hard_pixels(active, chances, pseudo, *quantiles, entropy_of_objects=rules.labels == "saliency")
        active, pseudo, hard = (distributed.unshard(tensor, count) for tensor in (active, pseudo, hard.byte()))
        return Regions(active, pseudo, hard.bool())

    def contrasts(self, foreground, background, draws) -> dict[str, Loss]:
        """Both contrasts, of each query; a collective call. The batch's NROIs enter the bank before any is drawn.

        foreground float32 (B, D, h, w) and background (B, D, h, w) of this process.
        """
        sizes, (active, pseudo, hard) = self.settings, self.regions
        foreground = distributed.unshard(foreground, draws.count)  # (all B, D, h, w)
        prototypes, present = contrast.class_prototypes(foreground, active, pseudo, sizes.prototype_pixels)
        queries = contrast.choose_queries(hard, pseudo, present, sizes.queries, draws.queries)
        losses = {}
        if "nroi" in self.weights:
            extract = random_pixels if sizes.random_nrois else extract_nrois
            two = sizes.heads == "two"
            background = distributed.unshard(background.detach().float(), draws.count) if two else foreground
            nrois, valid = extract(background, pseudo == contrast.BACKGROUND, sizes.centres, draws.images)
            self.bank.push(nrois.flatten(0, 1), valid.flatten())
            losses["nroi"] = contrast.pixel_to_nroi(
                foreground, queries, prototypes, self.bank, sizes.negatives, sizes.temperature, draws.nroi
            )
        if "intra" in self.weights:
            losses["intra"] = contrast.intra_foreground(
                foreground, pseudo, queries, prototypes, present, sizes.negatives, sizes.temperature, draws.intra
            )
        if sizes.cut_gradient:
            losses = {name: loss.detach() + 0 * loss for name, loss in losses.items()}
        image = queries.index.div(hard[0].numel(), rounding_mode="floor")
        of_this_process = image % distributed.WORLD_SIZE == distributed.RANK
        return {name: Loss(loss, queries.used & of_this_process) for name, loss in losses.items()}

    def get_extra_state(self) -> dict[str, int]:
        return {"calls": self.calls}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.calls = state["calls"]


class Draws:
    """Random numbers of one training step of `count` images: of seed and iteration alone.

    They are the same in all processes, on GPUs of one model. `dropout`, `queries`, `nroi` and `intra` are generators on
    the device; `images` are `count` seeds.
    """

    def __init__(self, seed: int, iteration: int, count: int, device: torch.device):
        self.count = count
        first, *self.images = np.random.SeedSequence([seed, iteration, 1]).generate_state(1 + count, np.uint64).tolist()
        self.dropout, self.queries, self.nroi, self.intra = (
            torch.Generator(device).manual_seed(first ^ part) for part in range(4)
        )

    def dropout_mask(self, shape: tuple[int, ...], probability: float = 0.5) -> Tensor:
        """Factors 0 or 1 / (1 - probability) of a batch of `shape` (B, D, h, w), for this process's images."""
        survives = torch.rand(shape, generator=self.dropout, device=self.dropout.device) >= probability
        return distributed.shard(survives) / (1 - probability)


def similarity_loss(foreground: Tensor, background: Tensor) -> Tensor:
    """Cosine of both projections of a pixel, to be made small (as published).

    foreground, background (B, D, h, w) float32 -> loss of each pixel (B, h, w).
    """
    return F.cosine_similarity(foreground, background, dim=1)


def background_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross entropy of the background segmentation (Eq. 6).

    logits (B, h, w) float32, target bool (B, h, w) -> loss of each pixel (B, h, w).
    """
    return F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")


def background_target(maps: Tensor, labels: Tensor, threshold: float = 0.05) -> Tensor:
    """Find where the image's class maps, rectified and divided by their maxima, sum to less than `threshold`.

    maps (B, C, h, w) float32, labels (B, C) of 0 and 1 -> bool (B, h, w), without gradient.
    """
    return contrast.activations(maps, labels).sum(1) < threshold
