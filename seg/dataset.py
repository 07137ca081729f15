"""Images and labels for the segmentation network (paper 4.1; augmentation as published)."""

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from common.files import IGNORE_INDEX, InputError
from common.preprocess import normalise


class TrainingCrops(Dataset):
    """Randomly scaled, cropped and flipped images with their labels; asked for by (position, index), see ShuffledBatches.

    {"image": float32 (3, S, S), "label": uint8 (S, S), "index": of the image}, S = crop_size. What lies beyond the image is mean and 255.
    Raises InputError if an image has no label.
    """

    def __init__(self, dataset, items, labels, crop_size, scales, convention, seed):
        self.dataset, self.items, self.labels = dataset, items, labels
        self.crop_size, self.scales, self.convention, self.seed = crop_size, scales, convention, seed
        for item in items:
            if not self.label_path(item).exists():
                raise InputError(
                    f"{self.label_path(item)}: no such file, expected a label for every image of the split"
                )

    def label_path(self, item):
        return self.labels / f"{item.id}.png"

    def __len__(self):
        return len(self.items)

    def __getitem__(self, sample):
        position, index = sample
        item = self.items[index]
        image = self.dataset.image(item.id)
        label = self.dataset.checked_label(self.label_path(item), item.id)
        return {**self.augment(image, label, np.random.default_rng([self.seed, position])), "index": index}

    def augment(self, image, label, rng):
        scale = rng.choice(self.scales)
        height, width = (max(1, int(side * scale)) for side in label.shape)
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        label = cv2.resize(label, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)

        size = self.crop_size
        top = rng.integers(max(height - size, 0) + 1)
        left = rng.integers(max(width - size, 0) + 1)
        image = image[top : top + size, left : left + size]
        label = label[top : top + size, left : left + size]

        height, width = label.shape
        padded_image = np.zeros((3, size, size), np.float32)
        padded_label = np.full((size, size), IGNORE_INDEX, np.uint8)
        padded_image[:, :height, :width] = normalise(image, self.convention)
        padded_label[:height, :width] = label
        if rng.random() < 0.5:
            padded_image, padded_label = padded_image[:, :, ::-1].copy(), padded_label[:, ::-1].copy()
        return {"image": torch.from_numpy(padded_image), "label": torch.from_numpy(padded_label)}


class WholeImages(Dataset):
    """Whole images in their own size for seg.predict: (id, uint8 (H, W, 3) RGB, float32 (3, H, W), normalised)."""

    def __init__(self, dataset, items, convention):
        self.dataset, self.items, self.convention = dataset, items, convention

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        id = self.items[index].id
        rgb = self.dataset.image(id)
        return id, rgb, torch.from_numpy(normalise(rgb, self.convention))

    @staticmethod
    def collate(samples):
        """Samples of one size as a batch: tuple of ids, tuple of uint8 (H, W, 3), float32 (B, 3, H, W)."""
        ids, rgbs, images = zip(*samples)
        return ids, rgbs, torch.stack(images)
