"""Images for the classification stage: resized to a square, so that the maps of an image line up between epochs."""

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset
from torchvision import transforms

from common.files import InputError, read_grey
from common.maps import map_path
from common.training import sample_seed


def load_image(dataset, id, size, jitter=None):
    """An image in the network's size, a uint8 tensor (size, size, 3), RGB; the aspect ratio is not kept."""
    image = Image.fromarray(dataset.image(id)).resize((size, size), Image.BILINEAR)
    if jitter:
        image = jitter(image)
    return torch.from_numpy(np.array(image))


class TrainingImages(Dataset):
    """Jittered images and their image-level labels; a sample is asked for by (position, index), see ShuffledBatches."""

    def __init__(self, dataset, items, input_size, seed):
        self.dataset, self.items, self.input_size, self.seed = dataset, items, input_size, seed
        self.jitter = transforms.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, sample):
        position, index = sample
        item = self.items[index]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(sample_seed(self.seed, position))
            image = load_image(self.dataset, item.id, self.input_size, self.jitter)
        label = torch.zeros(len(self.dataset.classes))
        label[list(item.classes)] = 1
        return {"image": image, "label": label, "index": index}


class AttentionTargets(TrainingImages):
    """The same images with the accumulated attention as target: uint8 (C, side, side), 0 where there is none."""

    def __init__(self, dataset, items, input_size, seed, attention, side):
        super().__init__(dataset, items, input_size, seed)
        self.attention, self.side = attention, side

    def __getitem__(self, sample):
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
    """Images without jitter, for cls.infer."""

    def __init__(self, dataset, items, input_size):
        self.dataset, self.items, self.input_size = dataset, items, input_size

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return {"image": load_image(self.dataset, self.items[index].id, self.input_size), "index": index}
