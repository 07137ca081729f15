"""Online attention accumulation (OAA, Jiang et al., ICCV 2019; paper 3.1)."""

import numpy as np
import torch

from common import distributed
from common.files import write_grey
from common.maps import map_path


class AttentionAccumulator:
    """The running maximum of the attention maps of every image and each of its classes, kept in memory as 8 bits.

    `items` are the images of the split, `size` is the side of a map. `maps` is uint8 (M, size, size), one map for each
    pair of image and class, and `stored` says which have been seen.
    """

    def __init__(self, items, classes, size):
        self.items = items
        self.rows = torch.full((len(items), classes), -1)  # (image, class) -> row of `maps`
        pairs = [(index, cls) for index, item in enumerate(items) for cls in item.classes]
        self.rows[tuple(torch.tensor(pairs).T)] = torch.arange(len(pairs))
        self.maps = torch.zeros(len(pairs), size, size, dtype=torch.uint8)
        self.stored = torch.zeros(len(pairs), dtype=torch.bool)
        self.complete = False  # whether `stored` holds every process's epochs but the last

    @torch.no_grad()
    def accumulate(self, maps, labels, indices, last_epoch, confidence=0.1):
        """Takes in the class maps (B, C, h, w) of a training step; labels (B, C), indices (B,) of the images.

        A map counts if its class's probability reaches `confidence`; in the last epoch also if none was stored before.
        """
        probabilities = maps.mean((2, 3)).sigmoid()  # (B, C)
        images, classes = labels.nonzero(as_tuple=True)  # (P,) pairs of image and class
        attention = maps[images, classes].relu()  # (P, h, w)
        attention = attention / (attention.amax((1, 2), keepdim=True) + 1e-8) * 255
        attention = attention.round().to(torch.uint8).cpu()
        rows = self.rows[indices.cpu()[images.cpu()], classes.cpu()]
        if last_epoch and not self.complete:
            self.merge()
            self.complete = True
        counts = (probabilities[images, classes] >= confidence).cpu()
        if last_epoch:
            counts |= ~self.stored[rows]
        rows, attention = rows[counts], attention[counts]
        self.maps[rows] = torch.maximum(self.maps[rows], attention)
        self.stored[rows] = True

    def merge(self):
        """Gives every process what all of them have accumulated; they call it together."""
        distributed.maximum(self.maps)
        stored = self.stored.to(torch.uint8)
        distributed.maximum(stored)
        self.stored = stored.bool()

    def state_dict(self):
        self.merge()
        return {"maps": self.maps, "stored": self.stored}

    def load_state_dict(self, state):
        self.maps.copy_(state["maps"])
        self.stored.copy_(state["stored"])

    def write(self, folder):
        """Writes every stored map to <folder>/<id>_<class>.png. Returns how many there are."""
        self.merge()
        folder.mkdir(exist_ok=True)
        for index in distributed.shard(range(len(self.items))):
            item = self.items[index]
            for cls in item.classes:
                row = self.rows[index, cls]
                if self.stored[row]:
                    write_grey(map_path(folder, item.id, cls), np.asarray(self.maps[row]))
        return int(self.stored.sum())
