"""What cls.infer writes of a batch's class maps: 8-bit PNGs, or irn's .npy in floating point."""

from math import prod
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import interpolate

from common.files.dataset import DataSet, Item
from common.files.images import is_complete, write_grey
from common.files.maps import has_all, map_path, npy_path
from common.files.npy_maps import write_npy

STRIDE = 4  # pixels of an image that keeps its aspect ratio to one of its map, and of any image to one of "cam"


class GreyMaps:
    """An 8-bit PNG a class. Of a square it has the side of the network's maps, else a quarter of the image's sides.

    `share` are the images of this process, `input_size` is the side of the squares that they are resized to, or None.
    """

    def __init__(self, out: Path, dataset: DataSet, share: list[Item], input_size: int | None, output_stride: int):
        self.out, self.dataset, self.share = out, dataset, share
        self.input_size, self.output_stride = input_size, output_stride

    def is_done(self, item: Item) -> bool:
        """Whether all files of an image are there and complete."""
        return has_all(self.out, item)

    def image_size(self, index: int) -> tuple[int, int]:
        """(H, W) of an image of the share."""
        return self.dataset.image_size(self.share[index].id)

    def compute(self, indices: list[int], maps: list[torch.Tensor]) -> torch.Tensor:
        """Sum of a batch's rectified maps (B, C, h, w) of several sizes, on their device: float32 (B, C, h, w).

        `indices` are those of the B images in the share.
        """
        if self.input_size:
            side = self.input_size // self.output_stride
            return total_at(maps, (side, side))
        return total_at(maps, part_of(self.image_size(indices[0]), STRIDE))

    def write(self, indices: list[int], batch: torch.Tensor) -> None:
        """Write what `compute` returned for these images, now on the CPU."""
        for index, maps in zip(indices, batch):  # (C, h, w)
            item = self.share[index]
            for cls in item.classes:
                write_grey(map_path(self.out, item.id, cls), to_uint8(maps[cls]))


class FloatMaps(GreyMaps):
    """irn's <id>.npy: the maps of an image's K classes at a quarter of its size and at its size, as published."""

    def is_done(self, item: Item) -> bool:
        return is_complete(npy_path(self.out, item.id))

    def compute(self, indices: list[int], maps: list[torch.Tensor]) -> torch.Tensor:
        """As GreyMaps, but both sums of all images, each divided by its maximum, one after the other: float32 (N,)."""
        parts = []
        for place, index in enumerate(indices):
            height, width = size = self.image_size(index)
            classes = self.share[index].classes
            own = [torch.stack([each[place, cls] for cls in classes])[None] for each in maps]  # (1, K, h, w)
            # the network's maps of an image reach beyond it, to whole strides
            whole = (
                size if self.input_size else tuple(n * self.output_stride for n in part_of(size, self.output_stride))
            )
            for total in (total_at(own, part_of(size, STRIDE)), total_at(own, whole)[..., :height, :width]):
                parts.append((total / (total.amax((2, 3), keepdim=True) + 1e-5)).flatten())
        return torch.cat(parts)

    def write(self, indices: list[int], batch: torch.Tensor) -> None:
        numbers = batch.numpy()
        for index in indices:
            item, size, stacks = self.share[index], self.image_size(index), []
            for shape in (part_of(size, STRIDE), size):
                shape = (len(item.classes), *shape)
                stack, numbers = np.split(numbers, [prod(shape)])
                stacks.append(stack.reshape(shape))
            write_npy(npy_path(self.out, item.id), list(item.classes), *stacks)


def total_at(maps: list[torch.Tensor], size: tuple[int, int]) -> torch.Tensor:
    """Sum of maps (B, C, h, w) of several sizes, each resized bilinearly to `size` (H, W): float32 (B, C, H, W)."""
    return sum(each if each.shape[2:] == size else interpolate(each, size, mode="bilinear") for each in maps)


def part_of(size: tuple[int, int], stride: int) -> tuple[int, int]:
    """(H, W) at a stride, rounded up."""
    return tuple(-(-side // stride) for side in size)


def to_uint8(map_: torch.Tensor) -> np.ndarray:
    """Rectify a class map, scale its maximum to 255, and truncate: float32 (h, w) -> uint8 (h, w)."""
    map_ = map_.relu()
    return (map_ / (map_.max() + 1e-8) * 255).byte().numpy()
