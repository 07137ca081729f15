"""Online attention accumulation (OAA, Jiang et al., ICCV 2019; paper 3.1)."""

import numpy as np
import torch

from common import distributed
from common.files import write_grey
from common.maps import map_path


class AttentionAccumulator:
    """The running maximum of the attention maps of every image and each of its classes, as 8 bits, on the network's device.

    `items` are the images of the split, `size` is the side of a map. `maps` is uint8 (M + 1, size, size), one map for each
    pair of image and class, and `stored` says which have been seen. The last row is for what does not count.
    """

    def __init__(self, items, classes, size):
        self.items = items
        pairs = [(index, cls) for index, item in enumerate(items) for cls in item.classes]
        self.rows = torch.full((len(items), classes), len(pairs))  # (image, class) -> row of `maps`
        self.rows[tuple(torch.tensor(pairs).T)] = torch.arange(len(pairs))
        self.maps = torch.zeros(len(pairs) + 1, size, size, dtype=torch.uint8)
        self.stored = torch.zeros(len(pairs) + 1, dtype=torch.bool)
        self.complete = False  # whether `stored` holds every process's epochs but the last

    def to(self, device):
        """Moves everything to the device of the class maps, so that nothing waits for a copy."""
        self.rows, self.maps, self.stored = (tensor.to(device) for tensor in (self.rows, self.maps, self.stored))
        return self

    @torch.no_grad()
    def accumulate(self, maps, labels, indices, last_epoch, confidence=0.1):
        """Takes in the class maps (B, C, h, w) of a training step; labels (B, C), indices (B,) of the images.

        A map counts if its class's probability reaches `confidence`; in the last epoch also if none was stored before.
        Shapes do not depend on what counts, so a GPU goes on without asking the CPU.
        """
        attention = maps.relu()
        attention = attention / (attention.amax((2, 3), keepdim=True) + 1e-8) * 255
        attention = attention.round().to(torch.uint8)  # (B, C, h, w)
        if last_epoch and not self.complete:
            self.merge()
            self.complete = True
        rows = self.rows[indices]  # (B, C)
        counts = maps.mean((2, 3)).sigmoid() >= confidence  # (B, C)
        if last_epoch:
            counts = counts | ~self.stored[rows]
        rows = rows.where(counts & labels.bool(), len(self.maps) - 1)
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
        return {"maps": self.maps[:-1].cpu(), "stored": self.stored[:-1].cpu()}

    def load_state_dict(self, state):
        self.maps[:-1] = state["maps"].to(self.maps.device)
        self.stored[:-1] = state["stored"].to(self.stored.device)

    def write(self, folder):
        """Writes every stored map to <folder>/<id>_<class>.png. Returns how many there are."""
        self.merge()
        self.to("cpu")
        folder.mkdir(exist_ok=True)
        for index in distributed.shard(range(len(self.items))):
            item = self.items[index]
            for cls in item.classes:
                row = self.rows[index, cls]
                if self.stored[row]:
                    write_grey(map_path(folder, item.id, cls), np.asarray(self.maps[row]))
        return int(self.stored[:-1].sum())
