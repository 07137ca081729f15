"""Whole images for seg.predict."""

import torch
from torch.utils.data import Dataset

from common.files.dataset import DataSet, Item


class WholeImages(Dataset):
    """Whole images in their own size for seg.predict: (id, uint8 tensor (H, W, 3) RGB)."""

    def __init__(self, dataset: DataSet, items: list[Item]):
        self.dataset, self.items = dataset, items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[str, torch.Tensor]:
        id = self.items[index].id
        return id, torch.from_numpy(self.dataset.image(id).copy())

    @staticmethod
    def collate(samples: list[tuple[str, torch.Tensor]]) -> tuple[tuple[str, ...], torch.Tensor]:
        """Collate samples of one size: (ids, uint8 (B, H, W, 3))."""
        ids, images = zip(*samples)
        return ids, torch.stack(images)
