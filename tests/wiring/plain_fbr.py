"""FBR's training a second time, plainly: loops over images, classes, pixels and queries; see plain.py.

Random numbers come from the same generators, in the same order; all else is written from the method's description.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from tests.wiring import plain
from tests.wiring.networks import Classifier

BACKGROUND, IGNORED = -1, -2


class Network(Classifier):
    """The classifier with its heads; keeps what its last forward pass gave beside the maps."""

    def __init__(self, backbone, nodes, heads, embedding, relu):
        super().__init__(3, backbone, nodes)
        width = backbone["channels"][-1]
        names = {"two": ["foreground", "background"], "shared": ["both"], "none": []}[heads]
        with torch.random.fork_rng(devices=[]):
            self.heads = nn.ModuleDict()
            for name in names:
                self.heads[name] = nn.Conv2d(width, embedding, 1, bias=False)
                nn.init.xavier_uniform_(self.heads[name].weight)
            self.heads["segmentation"] = nn.Conv2d(embedding if names else width, 1, 1)
        self.kind, self.relu = heads, relu

    def project(self, features, name):
        if self.kind == "none":
            return features
        projected = self.heads["both" if self.kind == "shared" else name](features)
        return projected.relu() if self.relu else projected

    def forward(self, x):
        self.image = x
        features = self.extra_convs_2(self.extra_convs_1(self.features(x))).relu()
        self.foreground, self.background = (self.project(features, name) for name in ("foreground", "background"))
        return self.extra_convs_3[1](features)


def cosine(one, other):
    length = one.norm() * other.norm()
    return one @ other / length if length > 0 else torch.zeros(())


def contrast(query, positive, negatives, temperature):
    """Eq. 7, of one query."""
    similar = torch.exp(cosine(query, positive) / temperature)
    others = sum(torch.exp(cosine(query, negative) / temperature) for negative in negatives)
    return -torch.log(similar / (similar + others))


def refine(map_, image, sigma, steps):
    """A map (h, w), averaged with 24 neighbours of like colours, again and again; image (h, w, 3), 0 to 1."""
    height, width = map_.shape
    offsets = [(y * d, x * d) for d in (1, 2, 4) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]
    for _ in range(steps):
        before, map_ = map_, np.zeros_like(map_)
        for y in range(height):
            for x in range(width):
                total, weight = before[y, x], 1.0
                for row, column in ((y + down, x + right) for down, right in offsets):
                    if 0 <= row < height and 0 <= column < width:
                        own = math.exp(-((image[y, x] - image[row, column]) ** 2).sum() / (2 * sigma**2))
                        total, weight = total + own * before[row, column], weight + own
                map_[y, x] = total / weight
    return map_


def centres_of(points, times):
    """k-means of points (n, D): K starts by k-means++, drawn with the arrival times (K, n), then 20 rounds."""
    found = [points[int((1 / times[0]).argmax())]]
    for time in times[1:]:
        nearest = torch.stack([((points - each) ** 2).sum(1) for each in found]).amin(0)
        found.append(points[int((nearest.clamp(min=1e-30) / time).argmax())])
    for _ in range(20):
        own = torch.stack([((points - each) ** 2).sum(1) for each in found]).argmin(0)
        found = [points[own == k].mean(0) if (own == k).any() else each for k, each in enumerate(found)]
    return found


class Loss:
    """`loss_of` of plain.train_classification. `told` has each step's losses by name."""

    def __init__(self, model, data, seed, first, options):
        self.model, self.data, self.seed, self.first, self.options = model, data, seed, first, options
        self.iteration, self.told, self.slots, self.pushed = 0, [], {}, 0

    def __call__(self, maps, chosen):
        losses = {"classification": plain.classification_loss(maps, chosen)}
        if self.iteration >= self.first:
            losses |= self.parts(maps, chosen)
        self.told.append({name: float(loss.detach()) for name, loss in losses.items()})
        self.iteration += 1
        unused = sum(0 * parameter.sum() for parameter in self.model.heads.parameters())
        return sum(losses.values()) + unused

    def parts(self, maps, chosen):
        option, model = self.options, self.model
        state = np.random.SeedSequence([self.seed, self.iteration, 1]).generate_state(1 + len(chosen), np.uint64)
        own, *seeds = state.tolist()
        draws = [torch.Generator().manual_seed(own ^ part) for part in range(4)]
        active = torch.stack([self.activations(*each) for each in zip(maps.detach(), chosen, model.image)])
        pseudo = torch.stack([self.pseudo(*each) for each in zip(active, chosen)])
        pixels = model.foreground.permute(0, 2, 3, 1).flatten(0, 2)  # (N, D)
        flat, chances = pseudo.flatten(), active.permute(0, 2, 3, 1).flatten(0, 2)  # (N,), (N, C)
        prototypes = self.prototypes(pixels.detach(), flat, chances)
        hard = torch.cat([self.hard(*each).flatten() for each in zip(active, pseudo, chosen)])
        order = (torch.rand(len(hard), generator=draws[1]) + hard).sort(descending=True).indices[: option["queries"]]
        queries = [(row, int(n)) for row, n in enumerate(order) if hard[n] and int(flat[n]) in prototypes]
        size = len(order), option["negatives"]

        self.push(model.background.detach(), pseudo, seeds)
        place = (torch.rand(size, generator=draws[2]) * len(self.slots)).long()
        negatives = {row: [self.slots[int(k)] for k in place[row]] for row, _ in queries}
        nroi = self.mean(pixels, flat, queries, prototypes, negatives)

        which, place = torch.rand(2, *size, generator=draws[3])
        intra = torch.zeros(())
        if len(prototypes) > 1:
            negatives = {
                row: self.others(pixels.detach(), flat, int(flat[pixel]), prototypes, which[row], place[row])
                for row, pixel in queries
            }
            intra = self.mean(pixels, flat, queries, prototypes, negatives)

        kept = (torch.rand(model.background.shape, generator=draws[0]) >= 0.5) / 0.5
        logits = model.heads["segmentation"](model.background * kept)[:, 0]
        target = torch.stack([self.scaled(*each).sum(0) < 0.05 for each in zip(maps.detach(), chosen)])
        losses = {"nroi": nroi, "intra": intra}
        losses["segmentation"] = -(F.logsigmoid(logits) * target + F.logsigmoid(-logits) * ~target).mean()
        if model.kind == "two":
            both = zip(pixels, model.background.permute(0, 2, 3, 1).flatten(0, 2))
            losses["similarity"] = torch.stack([cosine(*each) for each in both]).mean()
        return {name: option["weights"][name] * loss for name, loss in losses.items()}

    def scaled(self, maps, item):
        """An image's maps (C, h, w), rectified, each with the maximum 1; 0 for classes that it does not have."""
        found = torch.zeros_like(maps)
        for cls in item[1]:
            found[cls] = maps[cls].relu() / (maps[cls].relu().max() + 1e-5)
        return found

    def activations(self, maps, item, image):
        found = self.scaled(maps, item)
        if self.options["labels"] == "refined":
            rgb = image.permute(1, 2, 0).numpy() * plain.IMAGENET[1] + plain.IMAGENET[0]
            side = len(rgb) // maps.shape[1]
            small = rgb.reshape(maps.shape[1], side, maps.shape[2], side, 3).mean((1, 3)) / 255
            for cls in item[1]:
                map_ = found[cls].double().numpy()
                map_ = refine(map_, small, self.options["refine_sigma"], self.options["refine_steps"])
                found[cls] = torch.from_numpy(map_ / (map_.max() + 1e-5))
        return found

    def mask(self, folder, id, side):
        with Image.open(self.data / folder / f"{id}.png") as image:
            return np.array(image.resize((side, side), Image.Resampling.NEAREST))

    def pseudo(self, active, item):
        """Pseudo labels (h, w) by the rule."""
        rule, (id, classes), side = self.options["labels"], item, active.shape[1]
        labels = torch.full((side, side), BACKGROUND)
        truth, saliency = (self.mask(folder, id, side) for folder in ("SegmentationClass", "saliency"))
        for y in range(side):
            for x in range(side):
                value, cls = max((float(active[cls, y, x]), -cls) for cls in classes)
                label = -cls if value > self.options["background"] else BACKGROUND
                if rule == "refined":
                    low, high = self.options["band"]
                    label = -cls if value > high else BACKGROUND if value < low else IGNORED
                if rule == "saliency" and label >= 0 and saliency[y, x] < 32:
                    label = BACKGROUND if len(classes) == 1 else IGNORED
                if rule == "truth":
                    label = IGNORED if truth[y, x] == 255 else int(truth[y, x]) - 1
                labels[y, x] = label
        return labels

    def hard(self, active, pseudo, item):
        """Object pixels that are neither sure nor of low entropy, of one image: bool (h, w)."""
        constant = sum(self.options["band"]) / 2 if self.options["labels"] == "refined" else self.options["background"]
        scores = torch.stack([torch.full_like(active[0], constant), *(active[cls] for cls in item[1])])
        chance = scores.softmax(0)
        entropy = -(chance * chance.log()).sum(0)
        if self.options["labels"] == "saliency":
            entropy = entropy * (pseudo >= 0)
        limit = torch.quantile(entropy.flatten(), self.options["entropy_quantile"])
        hard = (pseudo >= 0) & (entropy > limit)
        for cls in set(pseudo[pseudo >= 0].tolist()):
            own = pseudo == cls
            values = sorted(value for value in active[cls][own].tolist() if value > 0.05)
            if values:
                hard &= ~(own & (active[cls] > values[int(self.options["hard_quantile"] * len(values))]))
        return hard

    def prototypes(self, pixels, flat, chances):
        """{class: (D,)} of the classes that the batch has."""
        found = {}
        for cls in sorted(set(flat[flat >= 0].tolist())):
            ordered = sorted((-float(chances[n, cls]), n) for n in range(len(flat)) if flat[n] == cls)
            best = [(-value, n) for value, n in ordered[: self.options["prototype_pixels"]]]
            total = sum(value for value, _ in best)
            if total > 0:
                found[cls] = sum(value * pixels[n] for value, n in best) / total
        return found

    def push(self, background, pseudo, seeds):
        """The batch's NROIs, image after image, into slots that are taken in turn."""
        for features, labels, seed in zip(background, pseudo, seeds):
            points, member = features.permute(1, 2, 0).flatten(0, 1), labels.flatten() == BACKGROUND
            count = self.options["centres"]
            rows = 1 if self.options["random_nrois"] else count
            times = torch.empty(rows, len(points)).exponential_(generator=torch.Generator().manual_seed(seed))
            if self.options["random_nrois"]:
                order = (member / times[0]).sort(descending=True).indices[:count]
                found = [points[n] for n in order if member[n]]
            elif member.sum() <= count:
                found = [points[n] for n in member.float().topk(count).indices if member[n]]
            else:
                found = centres_of(points[member], times[:, member])
            for each in found:
                self.slots[self.pushed % self.options["bank_size"]] = each
                self.pushed += 1

    def others(self, pixels, flat, cls, prototypes, which, place):
        """Negatives of one query: of a class drawn by the likeness of its prototype, any pixel."""
        classes = [each for each in prototypes if each != cls]
        alike = torch.stack([cosine(prototypes[cls], prototypes[each]) for each in classes])
        steps = (alike / self.options["temperature"]).softmax(0).cumsum(0)
        found = []
        for chance, spot in zip(which, place):
            other = classes[int((steps <= chance * steps[-1]).sum().clamp(max=len(classes) - 1))]
            members = (flat == other).nonzero()[:, 0]
            found.append(pixels[members[min(int(spot * len(members)), len(members) - 1)]])
        return found

    def mean(self, pixels, flat, queries, prototypes, negatives):
        """Of a class's queries, summed over the classes, divided by their number in the batch."""
        total = torch.zeros(())
        for cls, prototype in prototypes.items():
            own = [(row, pixel) for row, pixel in queries if flat[pixel] == cls]
            losses = [contrast(pixels[n], prototype, negatives[row], self.options["temperature"]) for row, n in own]
            total = total + (torch.stack(losses).mean() if losses else 0)
        return total / max(len(prototypes), 1)
