"""From images to labels with a trained DeepLab-v2: network, logits, CRF. For seg.predict, Segmenter and evaluate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from common.crf.dense import dense_crf, likely_classes, stays_on_device
from common.files.voc import CLASSES as VOC_CLASSES
from stages.files import InputError

if TYPE_CHECKING:
    import torch

    from seg.deeplab import MultiScale

    # keys of the images, uint8 (B, H, W, 3) RGB on the CPU and on the device, logits float32 (B, C + 1, h, w)
    Batch = tuple[Sequence[Any], torch.Tensor, torch.Tensor, torch.Tensor]

CHANNELS = 128  # that OpenCV resizes at once
ROWS = 16  # of an image, whose scores become probabilities at once


def load_deeplab(
    path: Path, pyramid: Sequence[float] | None = None, backbone: str | None = None, classes: int | None = None
) -> tuple[MultiScale, list[str]]:
    """Load the multi-scale network of a weight file, ours or published, in eval mode, and the names of its C classes.

    `pyramid`: its extra input scales, by default the file's; published files have the published scales.
    Raises InputError if the file is not a DeepLab, or not of the `backbone` or the data set's `classes`, if given.
    """
    from common.nets.architecture import check_pyramid
    from common.training import checkpoint
    from seg.deeplab import MultiScale, build
    from seg.pretrained import arch_of

    content = checkpoint.load(path)
    arch = arch_of(content)
    if arch is None:
        raise InputError(f"{path}: expected weights of seg.train or a published DeepLab-v2 with ResNet-101")
    if backbone and backbone != arch["backbone"]:
        raise InputError(f"{path}: expected a {backbone}, found a {arch['backbone']!s:.40}")
    pyramid = content.get("pyramid", (0.5, 0.75)) if pyramid is None else pyramid
    with checkpoint.prefix_errors(path):
        network = build(**arch)
        check_pyramid(pyramid)
    if classes is not None and network.arch.classes != classes:
        raise InputError(f"{path}: expected the data set's {classes} classes, found {network.arch.classes}")
    checkpoint.load_into(network, content, path)
    return MultiScale(network, pyramid).eval(), class_names(content, network.arch)


def class_names(content: dict[str, Any], arch: Any) -> list[str]:
    """The names of the C foreground classes of a weight file's `content`, whose network has this `arch`.

    Files without names: VOC's for a published DeepLab of 20 classes, else "class 1", "class 2", ….
    """
    texts = [name.encode("utf-8", "replace").decode() for name in arch.class_names]  # no half of a surrogate pair
    names = [" ".join(text.split()) for text in texts]  # each in one line, as in classes.txt
    if len(names) == arch.classes and all(names):
        return names
    is_published = "arch" not in content
    numbers = [f"class {number}" for number in range(1, arch.classes + 1)]
    return list(VOC_CLASSES) if is_published and arch.classes == len(VOC_CLASSES) else numbers


class Output(NamedTuple):
    """An image after the network: its label, if a GPU has made it, else what a CPU makes it of."""

    key: Any  # of the image, as its batch has it
    rgb: np.ndarray | None  # uint8 (H, W, 3), beside logits
    values: np.ndarray  # label uint8 (H, W), or logits float32 (h, w, C + 1)

    def label(self, crf: dict[str, Any] | None) -> np.ndarray:
        """Label uint8 (H, W). `crf`: dense_crf's parameters or None, the same as for `outputs_of`."""
        return self.values if self.rgb is None else label_from_logits(self.rgb, self.values, crf)


def outputs_of(
    network: MultiScale,
    batches: Iterable[tuple[Sequence[Any], torch.Tensor]],
    device: torch.device,
    amp: bool | None = None,
    crf: dict[str, Any] | None = None,
) -> Iterator[Output]:
    """Yield the Output of each image of `batches`, (keys, uint8 (B, H, W, 3) RGB).

    `network` is on the device already; `amp`: see common.training.device.autocast; `crf`: dense_crf's parameters or
    None. While the caller uses an Output, a GPU computes the next ones.
    """
    seen = ((keys, rgbs, *logits_of(network, rgbs, device, amp)) for keys, rgbs in batches)
    return labels_on_device(seen, crf) if stays_on_device(device, crf) else logits_on_cpu(seen)


def resize_label(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize a label uint8 (h, w), as of a shrunk photograph, to `size` (H, W) by nearest neighbours: uint8 (H, W)."""
    import cv2

    return label if label.shape == size else cv2.resize(label, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)


def logits_of(
    network: MultiScale, rgbs: torch.Tensor, device: torch.device, amp: bool | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """(the images on the device, logits float32 (B, C + 1, h, w) there) of uint8 (B, H, W, 3) RGB.

    `network` is on the device already; `amp`: see common.training.device.autocast.
    """
    import torch

    from common.files.preprocess import normalise
    from common.training import device as devices

    on_device = rgbs.to(device, non_blocking=True)
    with torch.inference_mode(), devices.autocast(device, amp):
        logits = network(normalise(on_device, network.base.arch.convention))
    return on_device, logits.float()


def labels_on_device(batches: Iterable[Batch], crf: dict[str, Any] | None) -> Iterator[Output]:
    """Yield an Output with the label of each image, computed on the device of its logits."""
    import torch

    from common.training import device as devices
    from seg.deeplab import resize

    def labels() -> Iterator[tuple[Any, torch.Tensor]]:
        for keys, _, images, logits in batches:
            for key, image, image_logits in zip(keys, images, logits):
                with torch.inference_mode():
                    scores = resize(image_logits[None], image.shape[:2])[0]  # (C + 1, H, W)
                    if crf:
                        scores = dense_crf(image, scores.softmax(dim=0), **crf)
                yield key, scores.argmax(0).byte()

    for key, label in devices.pipelined(labels()):
        yield Output(key, None, label.numpy())


def logits_on_cpu(batches: Iterable[Batch]) -> Iterator[Output]:
    """Yield an Output with the logits of each image; the device is one batch ahead."""
    from common.training import device as devices

    copied = devices.pipelined(((keys, rgbs), logits.permute(0, 2, 3, 1)) for keys, rgbs, _, logits in batches)
    for (keys, rgbs), logits in copied:
        yield from map(Output, keys, rgbs.numpy(), logits.numpy())


def label_from_logits(rgb: np.ndarray, logits: np.ndarray, crf: dict[str, Any] | None) -> np.ndarray:
    """Label uint8 (H, W) of an image, uint8 (H, W, 3) RGB, with logits float32 (h, w, C + 1), on the CPU.

    `crf`: dense_crf's parameters or None.
    """
    scores = resized(logits, rgb.shape[:2])
    if not crf:
        return scores.argmax(2).astype("uint8")
    to_probabilities(scores)
    probabilities, least = scores.transpose(2, 0, 1), crf.get("min_probability", 0)
    if not least:
        return dense_crf(rgb, probabilities, **crf).argmax(0).astype("uint8")
    classes = likely_classes(probabilities, least).nonzero()[0].astype("uint8")
    probabilities = scores = probabilities[classes]  # so that nothing holds the others while the CRF runs
    return classes[dense_crf(rgb, probabilities, **crf | {"min_probability": 0}).argmax(0)]


def resized(logits: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Logits float32 (h, w, C) at another size (H, W), bilinear: (H, W, C). OpenCV 5 resizes 128 channels at most."""
    import cv2

    parts = (logits[..., start : start + CHANNELS] for start in range(0, logits.shape[2], CHANNELS))
    parts = [cv2.resize(np.ascontiguousarray(part), size[::-1], interpolation=cv2.INTER_LINEAR) for part in parts]
    return parts[0] if len(parts) == 1 else np.dstack(parts)


def to_probabilities(scores: np.ndarray) -> None:
    """Replace scores (H, W, C) by their softmax over C, a few rows at a time, which needs no room for them twice."""
    from scipy.special import softmax

    for start in range(0, len(scores), ROWS):
        scores[start : start + ROWS] = softmax(scores[start : start + ROWS], axis=2)
