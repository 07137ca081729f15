"""A small vision transformer for CAMs."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from cls.model import CAMNetwork
from common.nets.architecture import Architecture, count, count_or_none, names, one_of


@dataclass(frozen=True, kw_only=True)
class PatchesArch(Architecture):
    """Vision transformer of C `classes`; `width` channels."""

    network: str = one_of("patches")
    classes: int = count()
    class_names: tuple[str, ...] = names()
    input_size: int | None = count_or_none()
    width: int = count(8)
    output_stride: ClassVar[int] = 16


class Patches(CAMNetwork):
    """(B, 3, H, W) -> class maps (B, C, H / 16, W / 16)."""

    description = PatchesArch

    def __init__(self, arch):
        super().__init__()
        self.arch = arch
        self.features = nn.Conv2d(3, arch.width, 16, stride=16)
        self.block = nn.TransformerEncoderLayer(arch.width, 2, 2 * arch.width, dropout=0, batch_first=True)
        self.head = nn.Conv2d(arch.width, arch.classes, 1)

    def forward(self, x):
        x = self.features(x)  # (B, K, h, w)
        tokens = self.block(x.flatten(2).mT)  # (B, h w, K)
        return self.head(tokens.mT.reshape(x.shape))
