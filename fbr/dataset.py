"""Training images of the classification stage, with the masks that FBR's pseudo labels need."""

import numpy as np
import torch
from PIL import Image

from cls.dataset import TrainingImages
from common.files.dataset import DataSet, Item


class RegionImages(TrainingImages):
    """TrainingImages with masks of the data set's `parts` beside them: uint8 (side, side), nearest pixels.

    "saliency" 0 to 255; "ground_truth" 0, 1..C, 255 ignore; "context" 0, 1..C.
    """

    def __init__(self, dataset: DataSet, items: list[Item], input_size: int, seed: int, side: int, parts: list[str]):
        super().__init__(dataset, items, input_size, seed)
        self.side, self.parts = side, parts

    def __getitem__(self, sample: tuple[int, int]) -> dict[str, torch.Tensor | int]:
        return super().__getitem__(sample) | {part: self.mask(part, self.items[sample[1]].id) for part in self.parts}

    def mask(self, part: str, id: str) -> torch.Tensor:
        """Mask of an image, by the DataSet's method of the part's name."""
        mask = Image.fromarray(getattr(self.dataset, part)(id))
        return torch.from_numpy(np.array(mask.resize((self.side, self.side), Image.NEAREST)))
