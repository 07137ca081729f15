"""Whole images for IRN, padded as published."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from common.files.dataset import DataSet, Item


class PaddedImages(Dataset):
    """Whole images in their own size: (index, uint8 (H, W, 3) RGB); `collate` pads a batch to at least `crop_size`."""

    def __init__(self, dataset: DataSet, items: list[Item], crop_size: int):
        self.dataset, self.items, self.crop_size = dataset, items, crop_size

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[int, np.ndarray]:
        return index, self.dataset.image(self.items[index].id)

    def padded_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(H, W) that an image of `size` is padded to: at least the crop's, multiples of 16."""
        return tuple(-(-max(self.crop_size, side) // 16) * 16 for side in size)

    def collate(self, samples: list[tuple[int, np.ndarray]]) -> tuple[Tensor, Tensor, Tensor]:
        """Collate images of one padded size, at the top left of what they are padded to.

        Returns their indices int64 (B,), the images uint8 (B, H, W, 3), and top, left, bottom, right of the image in
        each, int64 (B, 4).
        """
        height, width = self.padded_size(samples[0][1].shape[:2])
        images = torch.zeros((len(samples), height, width, 3), dtype=torch.uint8)
        rectangles = torch.zeros((len(samples), 4), dtype=torch.int64)
        for place, (_, image) in enumerate(samples):
            images[place, : image.shape[0], : image.shape[1]] = torch.tensor(image)
            rectangles[place, 2:] = torch.tensor(image.shape[:2])
        return torch.tensor([index for index, _ in samples]), images, rectangles


class TopLeftCrops(PaddedImages):
    """The top left of each image, at most `crop_size` a side, padded to that."""

    def __getitem__(self, index: int) -> tuple[int, np.ndarray]:
        index, image = super().__getitem__(index)
        return index, image[: self.crop_size, : self.crop_size]
