"""Images of the classification stage: squares, so that an image's maps of all epochs are aligned, or irn's crops."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms

from cls.squares import shared_squares
from common.files.dataset import DataSet, Item
from common.files.maps import map_path, stored_maps
from common.training.loop import sample_seed
from stages.files import InputError


def square(image: Image.Image, size: int) -> Image.Image:
    """Resize an image to size x size, without keeping its aspect ratio."""
    return image.resize((size, size), Image.BILINEAR)


def label_vector(item: Item, classes: int) -> torch.Tensor:
    """Image-level labels of an image: float32 (C,) of 0 and 1."""
    label = torch.zeros(classes)
    label[list(item.classes)] = 1
    return label


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
        label = label_vector(self.items[index], len(self.dataset.classes))
        return {"image": torch.from_numpy(np.array(image)), "label": label, "index": index}

    def load(self, index: int) -> Image.Image:
        """Load an image in the network's input size."""

        def read() -> np.ndarray:
            image = Image.fromarray(self.dataset.image(self.items[index].id))
            return np.asarray(square(image, self.input_size))

        return Image.fromarray(self.squares.get(index, read) if self.squares else read())


class AttentionTargets(TrainingImages):
    """TrainingImages with the accumulated attention in the folder `attention` as "target".

    uint8 (C, side, side), 0 for classes without a map. Raises InputError if a map is unusable or of another size.
    """

    def __init__(self, dataset: DataSet, items: list[Item], input_size: int, seed: int, attention: Path, side: int):
        super().__init__(dataset, items, input_size, seed)
        self.attention, self.side = attention, side

    def __getitem__(self, sample: tuple[int, int]) -> dict[str, torch.Tensor | int]:
        result = super().__getitem__(sample)
        item = self.items[sample[1]]
        side = self.side
        target = np.zeros((len(self.dataset.classes), side, side), np.uint8)
        for cls, map_ in stored_maps(self.attention, item, (side, side)).items():
            if map_.shape != (side, side):
                path, found = map_path(self.attention, item.id, cls), f"{map_.shape[1]}x{map_.shape[0]}"
                raise InputError(f"{path}: expected {side}x{side} as of this --input-size, found {found}")
            target[cls] = map_
        return {**result, "target": torch.from_numpy(target)}


class ClassificationCrops(Dataset):
    """Random crops of images and their image-level labels, as irn has them, indexed by (position, index).

    {"image": uint8 (S, S, 3) RGB, "rectangle": int64 (4,), "label": float32 (C,) of 0 and 1, "index": of the image},
    S = crop_size. The image is resized, bicubic, to a longer side drawn from `long_side` (shortest, longest), and
    mirrored or not; where it is smaller than the crop it lies at random. The rectangle (top, left, bottom, right)
    contains it, outside is padding, which common.files.preprocess.normalise sets to 0.
    """

    def __init__(self, dataset: DataSet, items: list[Item], crop_size: int, long_side: Sequence[int], seed: int):
        self.dataset, self.items, self.crop_size, self.long_side, self.seed = dataset, items, crop_size, long_side, seed

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, sample: tuple[int, int]) -> dict[str, torch.Tensor | int]:
        position, index = sample
        rng = np.random.default_rng([self.seed, position])
        image = self.dataset.image(self.items[index].id)
        shortest, longest = self.long_side
        image = rescaled(image, rng.integers(shortest, longest + 1) / max(image.shape[:2]))
        if rng.random() < 0.5:
            image = image[:, ::-1]
        crop = np.zeros((self.crop_size, self.crop_size, 3), np.uint8)
        (rows, to_rows), (columns, to_columns) = (self.cut(side, rng) for side in image.shape[:2])
        crop[to_rows, to_columns] = image[rows, columns]
        rectangle = torch.tensor([to_rows.start, to_columns.start, to_rows.stop, to_columns.stop])
        label = label_vector(self.items[index], len(self.dataset.classes))
        return {"image": torch.from_numpy(crop), "rectangle": rectangle, "label": label, "index": index}

    def cut(self, side: int, rng: np.random.Generator) -> tuple[slice, slice]:
        """Part of an image's side that is in the crop, and its place there."""
        length = min(side, self.crop_size)
        start = rng.integers(abs(side - self.crop_size) + 1)
        moved, fixed = slice(start, start + length), slice(0, length)
        return (moved, fixed) if side > self.crop_size else (fixed, moved)


class InferenceImages(Dataset):
    """Images for cls.infer at each of `scales`: {"images": uint8 (H, W, 3) RGB for each scale, "index"}.

    With `input_size` they are squares, see input_sizes; with None they keep their aspect ratio, and a scale of 1 is the
    image itself.
    """

    def __init__(
        self, dataset: DataSet, items: list[Item], scales: list[float], input_size: int | None, output_stride: int
    ):
        self.dataset, self.items, self.scales = dataset, items, scales
        self.sides = input_size and input_sizes(input_size, scales, output_stride)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, list[torch.Tensor] | int]:
        image = self.dataset.image(self.items[index].id)
        if self.sides:
            images = [np.array(square(Image.fromarray(image), side)) for side in self.sides]
        else:
            images = [rescaled(image, scale) for scale in self.scales]
        return {"images": [torch.from_numpy(each) for each in images], "index": index}


class SeededImages(InferenceImages):
    """InferenceImages in their own aspect ratio with "label" float32 (C,) of 0 and 1, and "seed" uint8 (H, W)."""

    def __init__(self, dataset: DataSet, items: list[Item], scales: list[float], output_stride: int, seeds: Path):
        super().__init__(dataset, items, scales, None, output_stride)
        self.seeds = seeds

    def __getitem__(self, index: int) -> dict[str, list[torch.Tensor] | torch.Tensor | int]:
        item = self.items[index]
        seed = torch.tensor(self.dataset.checked_label(self.seeds / f"{item.id}.png", item.id))
        return {**super().__getitem__(index), "label": label_vector(item, len(self.dataset.classes)), "seed": seed}


def input_sizes(input_size: int, scales: list[float], output_stride: int = 8) -> list[int]:
    """Side of a square at each of the scales: rounded, at least 8 and a pixel of the features."""
    return [max(8, output_stride, round(scale * input_size)) for scale in scales]


def rescaled(image: np.ndarray, scale: float) -> np.ndarray:
    """Resize an image uint8 (H, W, 3) with Pillow's bicubic filter, sides rounded to the nearest, as irn does."""
    height, width = (max(1, round(scale * side)) for side in image.shape[:2])
    return np.array(Image.fromarray(image).resize((width, height), Image.BICUBIC))
