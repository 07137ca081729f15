"""Weights of a tiny DeepLab, and a folder of photographs."""

import numpy as np
import pytest
import torch
from PIL import Image

from common.training import checkpoint
from seg.deeplab import MultiScale, build

ARCH = {"backbone": "vgg16", "classes": 3, "channels": [4] * 5, "depths": [1] * 5, "fc_channels": 4, "rates": [1]}


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    model = MultiScale(build(**ARCH))
    model.base.aspp.c0.fc8.weight.data *= 100  # so that not every pixel is the same class
    checkpoint.save(tmp_path / "weights.pth", arch=ARCH, pyramid=[0.5, 0.75], state_dict=model.state_dict())
    return tmp_path / "weights.pth"


@pytest.fixture
def photos(tmp_path):
    """A folder of three photographs, one of them on its side, and of what is none."""
    (tmp_path / "photos").mkdir()
    exif, rng = Image.Exif(), np.random.default_rng(0)
    exif[0x0112] = 6
    for name, size, options in (
        ("Été (1).JPG", (48, 64), {"exif": exif, "quality": 95}),
        ("b.png", (40, 56), {}),
        ("c.webp", (48, 64), {"lossless": True}),
    ):
        image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size[::-1])
        image.save(tmp_path / "photos" / name, **options)
    (tmp_path / "photos/notes.txt").touch()
    return tmp_path / "photos"


@pytest.fixture
def no_processes(monkeypatch):
    monkeypatch.setattr("seg.predict.cores", lambda: 1)
