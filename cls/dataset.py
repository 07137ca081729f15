"""Images of the classification stage: resized to a square, so that an image's maps of all epochs are aligned."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms

from cls.squares import shared_squares
from common.files.dataset import DataSet, Item
from common.files.images import read_grey
from common.files.maps import map_path
from common.training.loop import sample_seed
from stages.files import InputError


def square(image: Image.Image, size: int) -> Image.Image:
    """Resize an image to size x size, without keeping its aspect ratio."""
    return image.resize((size, size), Image.BILINEAR)


class TrainingImages(Dataset):
    """Images with colour jitter and their image-level labels, indexed by (position, index), see ShuffledBatches.

    {"image": uint8 (S, S, 3) RGB, "label": float32 (C,) of 0 and 1, "index": of the image}, S = input_size. Where there
    is memory, images are kept for the next epoch as they are before the jitter.
    """

    def __init__(self, dataset: DataSet, items: list[Item], input_size: int, seed: int):
        self.dataset, self.items, self.input_size, self.seed = dataset, items, input_size, seed
        self.squares = shared_squares(len(items), input_size)
        self.jitter = transforms.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, sample: tuple[int, int]) -> dict[str, torch.Tensor | int]:
        position, index = sample
        image = self.load(index)
        with torch.random.fork_rng(devices=[]):
            # the CPU's generator alone: torch.manual_seed, for those of all devices, takes 30 times as long
            torch.default_generator.manual_seed(sample_seed(self.seed, position))
            image = self.jitter(image)
        label = torch.zeros(len(self.dataset.classes))
        label[list(self.items[index].classes)] = 1
        return {"image": torch.from_numpy(np.array(image)), "label": label, "index": index}

    def load(self, index: int) -> Image.Image:
        """Load an image in the network's input size."""

        def read() -> np.ndarray:
            image = Image.fromarray(self.dataset.image(self.items[index].id))
            return np.asarray(square(image, self.input_size))

        return Image.fromarray(self.squares.get(index, read) if self.squares else read())


class AttentionTargets(TrainingImages):
    """TrainingImages with the accumulated attention in the folder `attention` as "target".

    uint8 (C, side, side), 0 for classes without a map. Raises InputError if a map is no 8-bit grey image of that size.
    """

    def __init__(self, dataset: DataSet, items: list[Item], input_size: int, seed: int, attention: Path, side: int):
        super().__init__(dataset, items, input_size, seed)
        self.attention, self.side = attention, side

    def __getitem__(self, sample: tuple[int, int]) -> dict[str, torch.Tensor | int]:
        result = super().__getitem__(sample)
        item = self.items[sample[1]]
        side = self.side
        target = np.zeros((len(self.dataset.classes), side, side), np.uint8)
        for cls in item.classes:
            path = map_path(self.attention, item.id, cls)
            if path.exists():
                map_ = read_grey(path)
                if map_.shape != (side, side):
                    found = f"{map_.shape[1]}x{map_.shape[0]}"
                    raise InputError(f"{path}: expected {side}x{side} as of this --input-size, found {found}")
                target[cls] = map_
        return {**result, "target": torch.from_numpy(target)}


class InferenceImages(Dataset):
    """Images without jitter, for cls.infer: {"images": uint8 (S, S, 3) RGB for each S of `sizes`, "index"}."""

    def __init__(self, dataset: DataSet, items: list[Item], sizes: list[int]):
        self.dataset, self.items, self.sizes = dataset, items, sizes

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, list[torch.Tensor] | int]:
        image = Image.fromarray(self.dataset.image(self.items[index].id))
        return {"images": [torch.from_numpy(np.array(square(image, size))) for size in self.sizes], "index": index}
