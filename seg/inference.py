"""What a trained DeepLab-v2 makes of images: network, logits, CRF, labels. For seg.predict and seg.segmenter alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from common.crf.dense import dense_crf, likely_classes
from common.files.voc import CLASSES as VOC_CLASSES
from stages.files import InputError

if TYPE_CHECKING:
    import torch

    from seg.deeplab import MultiScale

    # of a batch: ids, uint8 (B, H, W, 3) RGB on the CPU and on the device, logits float32 (B, C + 1, h, w)
    Output = tuple[tuple[str, ...], torch.Tensor, torch.Tensor, torch.Tensor]

CHANNELS = 128  # that OpenCV resizes at once
ROWS = 16  # of an image, whose scores become probabilities at once


def load_deeplab(
    path: Path, pyramid: Sequence[float] | None = None, backbone: str | None = None, classes: int | None = None
) -> tuple[MultiScale, list[str]]:
    """Load the multi-scale network of a weight file, ours or published, in eval mode, and the names of its C classes.

    `pyramid`: the scales beside 1 at which it runs, by default the file's; published files have the published scales.
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


def enlarged(label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The label of a photograph that was shrunk for the network, uint8 (h, w), at its `size` (H, W): uint8 (H, W)."""
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


def labels_on_device(outputs: Iterable[Output], crf: dict[str, Any] | None) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (id, label uint8 (H, W)) for each image of the `outputs`, computed on the device of its logits.

    `crf`: dense_crf's parameters or None. While the caller uses one label, a GPU computes the next.
    """
    import torch

    from common.training import device as devices
    from seg.deeplab import resize

    def labels() -> Iterator[tuple[str, torch.Tensor]]:
        for ids, _, images, logits in outputs:
            for id, image, image_logits in zip(ids, images, logits):
                with torch.inference_mode():
                    scores = resize(image_logits[None], image.shape[:2])[0]  # (C + 1, H, W)
                    if crf:
                        scores = dense_crf(image, scores.softmax(dim=0), **crf)
                yield id, scores.argmax(0).byte()

    for id, label in devices.pipelined(labels()):
        yield id, label.numpy()


def logits_on_cpu(outputs: Iterable[Output]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield (id, uint8 (H, W, 3) RGB, logits float32 (h, w, C + 1)) for each image of the `outputs`."""
    from common.training import device as devices

    batches = (((ids, rgbs), logits.permute(0, 2, 3, 1)) for ids, rgbs, _, logits in outputs)
    for (ids, rgbs), logits in devices.pipelined(batches):
        yield from zip(ids, rgbs.numpy(), logits.numpy())


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
