"""Random crops of images with their labels, to train DeepLab-v2 (paper 4.1; augmentation as published), IRN and AMN."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from common.files.dataset import DataSet, Item
from common.files.images import IGNORE_INDEX
from stages.files import InputError


class TrainingCrops(Dataset):
    """Randomly scaled, cropped and flipped images with their labels, indexed by (position, index), see ShuffledBatches.

    {"image": uint8 (S, S, 3) RGB, "rectangle": int64 (4,), "label": uint8 (S, S), "index": of the image}, S =
    crop_size. The rectangle (top, left, bottom, right) contains the image; outside of it is padding, which becomes the
    mean in common.files.preprocess.normalise, and has the label 255. Raises InputError if an image of the list has no
    label.
    """

    def __init__(
        self,
        dataset: DataSet,
        items: list[Item],
        labels: Path,
        crop_size: int,
        scales: Sequence[float],
        seed: int,
    ):
        self.dataset, self.items, self.labels = dataset, items, labels
        self.crop_size, self.scales, self.seed = crop_size, scales, seed
        for item in items:
            if not self.label_path(item).exists():
                raise InputError(
                    f"{self.label_path(item)}: no such file, expected a label for every image of the split"
                )

    def label_path(self, item: Item) -> Path:
        """Path of an image's label."""
        return self.labels / f"{item.id}.png"

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, sample: tuple[int, int]) -> dict[str, torch.Tensor | int]:
        position, index = sample
        item = self.items[index]
        image = self.dataset.image(item.id)
        label = self.dataset.checked_label(self.label_path(item), item.id)
        return {**self.augment(image, label, np.random.default_rng([self.seed, position])), "index": index}

    def resized(self, image: np.ndarray, label: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Resize an image, bilinear, and its label, by nearest neighbours, to sides rounded down, as published."""
        height, width = (max(1, int(side * scale)) for side in label.shape)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        return image, cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)

    def augment(self, image: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        """Scale, crop, flip and pad an image uint8 (H, W, 3) and its label uint8 (H, W)."""
        image, label = self.resized(image, label, rng.choice(self.scales))
        height, width = label.shape
        size = self.crop_size
        top = rng.integers(max(height - size, 0) + 1)
        left = rng.integers(max(width - size, 0) + 1)
        image = image[top : top + size, left : left + size]
        label = label[top : top + size, left : left + size]

        height, width = label.shape
        padded_image = np.zeros((size, size, 3), np.uint8)
        padded_label = np.full((size, size), IGNORE_INDEX, np.uint8)
        left = 0
        if rng.random() < 0.5:
            image, label, left = image[:, ::-1], label[:, ::-1], size - width
        padded_image[:height, left : left + width] = image
        padded_label[:height, left : left + width] = label
        rectangle = torch.tensor([0, left, height, left + width])
        return {
            "image": torch.from_numpy(padded_image),
            "rectangle": rectangle,
            "label": torch.from_numpy(padded_label),
        }


class SeedCrops(TrainingCrops):
    """Crops of images, resized as irn does, with their seeds at the `stride` of the network's output.

    As TrainingCrops, but "label" is uint8 (S / stride, S / stride): of each stride x stride pixels the one right of and
    below the middle.
    """

    def __init__(self, *given: Any, stride: int):
        super().__init__(*given)
        self.stride = stride

    def resized(self, image: np.ndarray, label: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
        """Resize an image, bicubic, and its seed, by nearest neighbours, to the nearest whole sides.

        Pillow widens its kernel where it shrinks an image, which OpenCV's bicubic does not: details would be aliased.
        """
        size = [max(1, round(side * scale)) for side in reversed(label.shape)]  # width, height
        image, label = Image.fromarray(image), Image.fromarray(label)
        return np.asarray(image.resize(size, Image.BICUBIC)), np.asarray(label.resize(size, Image.NEAREST))

    def augment(self, image: np.ndarray, label: np.ndarray, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        crop = super().augment(image, label, rng)
        middle = slice(self.stride // 2, None, self.stride)
        return {**crop, "label": crop["label"][middle, middle].contiguous()}
