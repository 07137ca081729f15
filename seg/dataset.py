"""Whole images for inference, in batches of one size."""

from collections.abc import Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from common.files.dataset import DataSet
from common.files.photographs import Photograph, PhotographFolder
from common.training.loading import batches_of_one_size, make_loader
from stages.files import InputError


class WholeImages(Dataset):
    """Images of a data set or a folder in their own size: (Photograph, uint8 tensor (H, W, 3) RGB)."""

    def __init__(self, folder: DataSet | PhotographFolder, images: Sequence[Photograph]):
        self.folder, self.images = folder, images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Photograph, torch.Tensor]:
        image = self.images[index]
        return image, torch.from_numpy(self.folder.image(image.id).copy())

    def checked_size(self, index: int, smallest: int) -> tuple[int, int]:
        """Read the size of an image, (H, W). Raises InputError if a side has less than `smallest` pixels."""
        id, path = self.images[index]
        height, width = self.folder.image_size(id)
        if min(height, width) < smallest:
            raise InputError(f"{path}: expected at least {smallest} pixels a side, found {width}x{height}")
        return height, width

    @staticmethod
    def collate(samples: list[tuple[Photograph, torch.Tensor]]) -> tuple[tuple[Photograph, ...], torch.Tensor]:
        """Collate samples of one size: (Photographs, uint8 (B, H, W, 3))."""
        images, rgbs = zip(*samples)
        return images, torch.stack(rgbs)


def load_whole(
    images: WholeImages,
    batch_size: int,
    workers: int,
    device: torch.device,
    smallest: int,
    done: Sequence[bool] | None = None,
) -> DataLoader:
    """Load images in batches of one size; `done`: see batches_of_one_size.

    Raises InputError when it reaches an image with a side of less than `smallest` pixels.
    """
    sizes = (images.checked_size(index, smallest) for index in range(len(images)))
    batches = batches_of_one_size(sizes, batch_size, done)
    return make_loader(images, batches, workers, device, images.collate)
