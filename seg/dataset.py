"""Images and labels for the segmentation network (paper 4.1; augmentation as published)."""

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from common.files import IGNORE_INDEX, InputError


class TrainingCrops(Dataset):
    """Randomly scaled, cropped and flipped images with their labels; asked for by (position, index), see ShuffledBatches.

    {"image": uint8 (S, S, 3) RGB, "rectangle": int64 (4,), "label": uint8 (S, S), "index": of the image}, S = crop_size.
    The rectangle is what common.preprocess.normalise wants: where the image lies. What lies beyond it is mean and 255.
    Raises InputError if an image has no label.
    """

    def __init__(self, dataset, items, labels, crop_size, scales, seed):
        self.dataset, self.items, self.labels = dataset, items, labels
        self.crop_size, self.scales, self.seed = crop_size, scales, seed
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


class WholeImages(Dataset):
    """Whole images in their own size for seg.predict: (id, uint8 tensor (H, W, 3) RGB)."""

    def __init__(self, dataset, items):
        self.dataset, self.items = dataset, items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        id = self.items[index].id
        return id, torch.from_numpy(self.dataset.image(id).copy())

    @staticmethod
    def collate(samples):
        """Samples of one size as a batch: tuple of ids, uint8 (B, H, W, 3)."""
        ids, images = zip(*samples)
        return ids, torch.stack(images)
