"""The trainings a second time, plainly, one loop each: what the commands do must come out the same.

Only torch, torchvision, NumPy, Pillow and OpenCV are used, nothing of this project, so that its code may move.
"""

import re

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision import transforms

IMAGENET = np.float32([123.675, 116.28, 103.53]), np.float32([58.395, 57.12, 57.375])  # RGB, mean and deviation
CAFFE = np.float32([122.675, 116.669, 104.008])  # RGB


def read_list(data, split="train"):
    """[(id, [class, …]), …], classes ascending."""
    lines = [line.split() for line in (data / "lists" / f"{split}.txt").read_text().splitlines()]
    return [(id, sorted(map(int, classes))) for id, *classes in lines]


def photograph(data, id):
    return Image.open(data / "JPEGImages" / f"{id}.jpg").convert("RGB")


def network_input(rgb, convention="torchvision"):
    """An RGB image (H, W, 3), 0 to 255, as the network wants it: float32 (H, W, 3)."""
    rgb = np.asarray(rgb, np.float32)
    if convention == "torchvision":
        return torch.from_numpy((rgb - IMAGENET[0]) / IMAGENET[1])
    return torch.from_numpy((rgb - CAFFE)[..., ::-1].copy())


def as_batch(images):
    """A list of (H, W, 3) as (B, 3, H, W), channels-last in memory, which dropout's random numbers follow."""
    return torch.stack(images).permute(0, 3, 1, 2)


class SGD:
    """Momentum 0.9, written out; each group is (parameters, factor of the rate, weight decay).

    Rounded as torch.optim.SGD rounds: else a pixel may be the largest of a pool here and not there, by chance.
    """

    def __init__(self, groups, nesterov):
        self.groups, self.nesterov, self.velocity = groups, nesterov, {}

    @torch.no_grad()
    def step(self, loss, lr):
        parameters = [parameter for group in self.groups for parameter in group[0]]
        gradients = dict(zip(parameters, torch.autograd.grad(loss, parameters)))
        for own, factor, decay in self.groups:
            for parameter in own:
                gradient = gradients[parameter].add(parameter, alpha=decay)
                velocity = 0.9 * self.velocity[parameter] + gradient if parameter in self.velocity else gradient
                self.velocity[parameter] = velocity
                way = gradient.add(velocity, alpha=0.9) if self.nesterov else velocity
                parameter.add_(way, alpha=-lr * factor)


# --- classification, paper 3.1 ---


def squared(data, id, size):
    return photograph(data, id).resize((size, size), Image.Resampling.BILINEAR)


def jittered(data, id, size, seed, position):
    """The image as the classifier sees it; its colours depend on the seed and on how many images came before."""
    jitter = transforms.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(np.random.SeedSequence([seed, position]).generate_state(1, np.uint64)[0]))
        return network_input(jitter(squared(data, id, size)))


def classification_groups(model, weight_decay):
    """x1 and x2 for weights and biases of the trunk, x10 and x20 for the rest; all decay."""
    groups = []
    for name, parameter in model.named_parameters():
        factor = (1 if name.startswith("features.") else 10) * (1 if name.endswith(".weight") else 2)
        groups.append(([parameter], factor, weight_decay))
    return groups


def train_classification(model, data, loss_of, size, epochs, batch, lr, weight_decay, decay_epochs, seed, amp=False):
    """Trains a classifier or an IAM in place; `loss_of(maps, chosen)`, `chosen` = [(id, classes), …].

    Returns what attention is accumulated from, in the order of the steps: [(epoch, id, classes, maps (C, h, w)), …].
    """
    items, seen, position = read_list(data), [], 0
    model.train().to(memory_format=torch.channels_last)
    optimizer = SGD(classification_groups(model, weight_decay), nesterov=True)
    for epoch in range(epochs):
        rate = lr * 0.1 ** sum(epoch >= at for at in decay_epochs)
        order = np.random.default_rng([seed, epoch]).permutation(len(items))
        for first in range(0, len(items), batch):
            chosen = [items[i] for i in order[first : first + batch]]
            images = [jittered(data, id, size, seed, position + k) for k, (id, _) in enumerate(chosen)]
            position += len(chosen)
            with torch.autocast("cpu", torch.bfloat16, enabled=amp):
                maps = model(as_batch(images))
            maps = maps.float()
            seen += [(epoch, *item, own.detach()) for item, own in zip(chosen, maps)]
            optimizer.step(loss_of(maps, chosen), rate)
    return seen


def classification_loss(maps, chosen):
    """Multi-label soft margin on the maps' averages (Eq. 4)."""
    logits = maps.mean((2, 3))
    truth = torch.zeros_like(logits)
    for row, (_, classes) in zip(truth, chosen):
        row[classes] = 1
    return -(truth * F.logsigmoid(logits) + (1 - truth) * F.logsigmoid(-logits)).mean()


def attention_loss(folder):
    """The IAM's loss with the maps <folder>/<id>_<class>.png as targets."""

    def loss_of(maps, chosen):
        targets = torch.zeros_like(maps)
        for target, (id, classes) in zip(targets, chosen):
            for cls in classes:
                if (folder / f"{id}_{cls}.png").exists():
                    target[cls] = torch.from_numpy(np.array(Image.open(folder / f"{id}_{cls}.png"))).float() / 255
        attended = (-targets * F.logsigmoid(maps))[targets > 0]
        others = maps[targets == 0]
        silent = -torch.log(torch.exp(-others.clamp(min=0)) + 1e-8) + torch.log(1 + torch.exp(-others.abs()))
        return (attended.mean() if len(attended) else 0) + silent.mean()

    return loss_of


def accumulate(seen, epochs, confidence=0.1, warm_up=1, fill_up=True):
    """The accumulated attention {(id, class): uint8 (h, w)}: the maximum of all maps that are confident enough."""
    stored = {}
    for epoch, id, classes, maps in seen:
        for cls in classes if epoch >= warm_up else ():
            map_ = maps[cls].relu()
            map_ = (map_ / (map_.max() + 1e-8) * 255).round().numpy().astype(np.uint8)
            key, probability = (id, cls), maps[cls].mean().sigmoid()
            if probability >= confidence or (fill_up and epoch == epochs - 1 and key not in stored):
                stored[key] = np.maximum(stored.get(key, 0), map_)
    return stored


@torch.no_grad()
def class_maps(model, data, size, rounded=np.floor, split="train", amp=False):
    """CAMs or OA-CAMs of each image's own classes at inference, {(id, class): uint8 (h, w)}."""
    model.eval()
    found = {}
    for id, classes in read_list(data, split):
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            maps = model(as_batch([network_input(squared(data, id, size))]))[0]
        maps = maps.float().relu()
        for cls in classes:
            found[id, cls] = rounded((maps[cls] / (maps[cls].max() + 1e-8) * 255).numpy()).astype(np.uint8)
    return found


# --- segmentation, paper 4.1 ---


def crop(image, label, size, scales, rng):
    """Scaled, cropped, padded with the mean and 255, perhaps flipped: RGB float (size, size, 3), uint8 (size, size).

    The mean, which normalisation takes to 0 in each convention, is NaN here.
    """
    scale = rng.choice(scales)
    height, width = (int(side * scale) for side in label.shape)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    top, left = rng.integers(max(0, height - size) + 1), rng.integers(max(0, width - size) + 1)
    image, label = (array[top : top + size, left : left + size] for array in (image, label))
    canvas, truth = np.full((size, size, 3), np.nan), np.full((size, size), 255, np.uint8)
    canvas[: len(image), : image.shape[1]] = image
    truth[: len(label), : label.shape[1]] = label
    return (canvas[:, ::-1], truth[:, ::-1]) if rng.random() < 0.5 else (canvas, truth)


def bilinear(x, size):
    return F.interpolate(x, size, mode="bilinear", align_corners=False)


def all_scales(network, images, pyramid):
    """Logits at scale 1, at each of the pyramid's, and the maximum of all at the size of the first."""
    outputs = [network(images)]
    for scale in pyramid:
        outputs.append(network(bilinear(images, [int(side * scale) for side in images.shape[2:]])))
    size = outputs[0].shape[2:]
    return [*outputs, torch.stack([bilinear(each, size) for each in outputs]).amax(0)] if pyramid else outputs


def segmentation_loss(outputs, labels):
    """Sum of the cross-entropies of each output against the labels in its size."""
    loss = 0
    for logits in outputs:
        size = logits.shape[:1:-1]
        resized = np.stack([Image.fromarray(label).resize(size, Image.Resampling.NEAREST) for label in labels])
        resized = torch.from_numpy(resized).long()
        if (resized != 255).any():
            total = F.cross_entropy(logits.float(), resized, ignore_index=255, reduction="sum")
            loss = loss + total / (resized != 255).sum()
    return loss


def segmentation_groups(network, weight_decay, frozen, pretrained):
    """x1; x10 and, without decay, x20 for weights and biases of what is new in the ASPP.

    New are the layers that give logits, and others that no file gave (`pretrained` are the names that one did). Batch
    norm, if `frozen`, is in no group.
    """
    norms = [layer for layer in network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    fixed = {id(parameter) for layer in norms if frozen for parameter in layer.parameters()}
    groups = []
    for name, parameter in network.named_parameters():
        gives_logits = re.fullmatch(r"aspp\.c\d+(\.fc8)?\.(weight|bias)", name)
        new = gives_logits or (name.startswith("aspp.") and name not in pretrained)
        bias = name.endswith(".bias")
        if id(parameter) not in fixed:
            groups.append(([parameter], (20 if bias else 10) if new else 1, 0 if new and bias else weight_decay))
    return groups


def train_segmentation(
    network, data, labels, size, scales, pyramid, iterations, batch, lr, weight_decay, seed,
    convention="torchvision", frozen=False, pretrained=(), amp=False,
):  # fmt: skip
    """Trains a DeepLab in place on the labels <labels>/<id>.png."""
    items = read_list(data)
    network.train().to(memory_format=torch.channels_last)
    if frozen:
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.eval()
    optimizer = SGD(segmentation_groups(network, weight_decay, frozen, pretrained), nesterov=False)
    for iteration in range(iterations):
        images, truths = [], []
        for position in range(iteration * batch, (iteration + 1) * batch):
            order = np.random.default_rng([seed, position // len(items)]).permutation(len(items))
            id, _ = items[order[position % len(items)]]
            label = np.array(Image.open(labels / f"{id}.png"))
            rng = np.random.default_rng([seed, position])
            image, truth = crop(np.array(photograph(data, id)), label, size, scales, rng)
            images.append(network_input(image, convention).nan_to_num(0))
            truths.append(truth)
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            outputs = all_scales(network, as_batch(images), pyramid)
        rate = lr * (1 - iteration // 10 * 10 / iterations) ** 0.9
        optimizer.step(segmentation_loss(outputs, truths), rate)


@torch.no_grad()
def predictions(network, data, pyramid, convention="torchvision", crf=None, split="train", amp=False):
    """{id: uint8 (H, W)}; `crf(rgb, probabilities)` returns such probabilities."""
    network.eval()
    found = {}
    for id, _ in read_list(data, split):
        rgb = np.array(photograph(data, id))
        with torch.autocast("cpu", torch.bfloat16, enabled=amp):
            logits = all_scales(network, as_batch([network_input(rgb, convention)]), pyramid)[-1]
        scores = bilinear(logits.float(), rgb.shape[:2])[0]  # (C + 1, H, W)
        scores = crf(rgb, scores.softmax(0).numpy()) if crf else scores.numpy()
        found[id] = scores.argmax(0).astype(np.uint8)
    return found


def published_crf(rgb, probabilities, iterations=10, sxy=67, srgb=3, weights=(3, 4)):
    """The authors' dense CRF, if it is installed, with the published numbers."""
    from pydensecrf.densecrf import DenseCRF2D

    classes, height, width = probabilities.shape
    crf = DenseCRF2D(width, height, classes)
    crf.setUnaryEnergy(-np.log(np.clip(probabilities, 1e-5, 1)).reshape(classes, -1))
    crf.addPairwiseGaussian(sxy=1, compat=weights[0])
    crf.addPairwiseBilateral(sxy=sxy, srgb=srgb, rgbim=np.ascontiguousarray(rgb), compat=weights[1])
    return np.array(crf.inference(iterations)).reshape(classes, height, width)
