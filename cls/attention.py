"""Online attention accumulation (OAA, Jiang et al., ICCV 2019; paper 3.1)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from common.files.dataset import Item
from common.files.images import write_grey
from common.files.maps import map_path
from stages import distributed


class AttentionAccumulator:
    """Running maximum of the attention maps of each image and each of its classes, in 8 bits, on the network's device.

    `items` are the images of the split, `classes` is the number C of classes, `size` the side of a map. `maps` is uint8
    (M + 1, size, size), a map for each of the M pairs of an image and one of its classes, and `stored`, bool (M + 1,),
    says which have one already. The last row takes the maps that are to be discarded.
    """

    def __init__(self, items: list[Item], classes: int, size: int):
        self.items = items
        pairs = [(index, cls) for index, item in enumerate(items) for cls in item.classes]
        self.rows = torch.full((len(items), classes), len(pairs))  # (image, class) -> row of `maps`
        self.rows[tuple(torch.tensor(pairs).T)] = torch.arange(len(pairs))
        self.maps = torch.zeros(len(pairs) + 1, size, size, dtype=torch.uint8)
        self.stored = torch.zeros(len(pairs) + 1, dtype=torch.bool)
        self.complete = False  # whether `stored` is merged over the processes, up to the last epoch

    def to(self, device: torch.device | str) -> AttentionAccumulator:
        """Move all tensors to the device of the class maps, so that no step waits for a copy; returns itself."""
        self.rows, self.maps, self.stored = (tensor.to(device) for tensor in (self.rows, self.maps, self.stored))
        return self

    @torch.no_grad()
    def accumulate(
        self,
        maps: torch.Tensor,
        labels: torch.Tensor,
        indices: torch.Tensor,
        last_epoch: bool,
        confidence: float = 0.1,
    ) -> None:
        """Accumulate the class maps (B, C, h, w) of a training step; labels (B, C) of 0 and 1, indices (B,) of images.

        A map is taken if its class's probability reaches `confidence`; in the last epoch also if none is stored yet.
        Shapes do not depend on which maps are taken, so that a GPU does not wait for the CPU.
        """
        attention = maps.relu()
        attention = attention / (attention.amax((2, 3), keepdim=True) + 1e-8) * 255
        attention = attention.round().to(torch.uint8)  # (B, C, h, w)
        if last_epoch and not self.complete:
            self.merge()
            self.complete = True
        rows = self.rows[indices]  # (B, C)
        taken = maps.mean((2, 3)).sigmoid() >= confidence  # (B, C)
        if last_epoch:
            taken = taken | ~self.stored[rows]
        rows = rows.where(taken & labels.bool(), len(self.maps) - 1)
        self.maps[rows] = torch.maximum(self.maps[rows], attention)
        self.stored.index_fill_(0, rows.flatten(), True)  # a GPU waits for `stored[rows] = True`

    def merge(self) -> None:
        """Merge the maps of all processes, in each of them; a collective call."""
        distributed.maximum(self.maps)
        stored = self.stored.to(torch.uint8)
        distributed.maximum(stored)
        self.stored = stored.bool()

    def state_dict(self) -> dict[str, torch.Tensor]:
        """State of all processes, on the CPU: `maps` uint8 (M, size, size), `stored` bool (M,); a collective call."""
        self.merge()
        return {"maps": self.maps[:-1].cpu().clone(), "stored": self.stored[:-1].cpu().clone()}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Restore what `state_dict` returned."""
        self.maps[:-1] = state["maps"].to(self.maps.device)
        self.stored[:-1] = state["stored"].to(self.stored.device)

    def write(self, folder: Path) -> int:
        """Write each stored map to <folder>/<id>_<class>.png and return their number; a collective call."""
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
