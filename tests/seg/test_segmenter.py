"""seg.segmenter: what a Segmenter says of an array is what seg.predict writes of the photograph."""

import numpy as np
import pytest
import torch
from PIL import Image

from common.files.images import read_indexed
from common.files.photographs import read_photograph
from common.training import checkpoint
from seg.deeplab import MultiScale, build
from seg.predict import parser, run
from seg.segmenter import Segmenter
from stages.files import InputError

ARCH = {
    "backbone": "vgg16",
    "classes": 3,
    "class_names": ["disc", "square", "bar"],
    "channels": [4, 4, 4, 4, 4],
    "depths": [1] * 5,
    "fc_channels": 4,
    "rates": [1],
}
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_gpu)]


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    model = MultiScale(build(**ARCH))
    model.base.aspp.c0.fc8.weight.data *= 100  # so that not every pixel is the same class
    checkpoint.save(tmp_path / "weights.pth", arch=ARCH, pyramid=[0.5], state_dict=model.state_dict())
    return tmp_path / "weights.pth"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.setattr("seg.predict.cores", lambda: 1)  # no processes
    (tmp_path / "photos").mkdir()
    exif, rng = Image.Exif(), np.random.default_rng(0)
    exif[0x0112] = 6
    for name, options in (("a.jpg", {"exif": exif}), ("b.png", {}), ("c.webp", {})):
        picture = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize((64, 48))
        picture.save(tmp_path / "photos" / name, **options)
    return tmp_path / "photos"


NUMBERS = {"iterations": 2, "bilateral_srgb": 9, "backend": "lattice"}
CASES = [
    ({}, []),
    ({"pyramid": []}, ["--pyramid"]),
    ({"longest": 32}, ["--longest", 32]),
    ({"crf": True}, ["--crf"]),
    ({"crf": NUMBERS}, ["--crf", "--crf-iterations", 2, "--crf-bilateral-srgb", 9, "--crf-backend", "lattice"]),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("options, arguments", CASES)
def test_the_label_is_that_of_the_command(photos, tmp_path, weights, device, options, arguments):
    (tmp_path / "pred").mkdir()
    words = ["--images", photos, "--weights", weights, "--out", tmp_path / "pred", "--workers", 0, "--batch-size", 1]
    args = parser().parse_args([str(word) for word in [*words, "--device", device, *arguments]])
    run(args)
    segmenter = Segmenter(weights, device=device, **options)
    shown = set()
    for path in photos.iterdir():
        rgb = read_photograph(path)
        label = segmenter.predict(rgb)
        assert label.dtype == np.uint8 and label.shape == rgb.shape[:2] and label.flags.writeable
        assert label.tobytes() == read_indexed(tmp_path / "pred" / f"{path.stem}.png").tobytes()
        shown |= set(np.unique(label))
    assert len(shown) > 1


def test_names_and_options(weights):
    segmenter = Segmenter(str(weights), device="cpu")
    assert segmenter.class_names == ["disc", "square", "bar"] and segmenter.device.type == "cpu"
    rgb = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    flipped = np.ascontiguousarray(rgb[:, ::-1])[:, ::-1]  # the same image with a negative stride
    np.testing.assert_array_equal(segmenter.predict(rgb), segmenter.predict(flipped))
    assert (segmenter.predict(rgb) != Segmenter(weights, device="cpu", crf=True).predict(rgb)).any()


@pytest.mark.parametrize("image", [
    np.zeros((20, 20), np.uint8), np.zeros((20, 20, 3), np.float32), np.zeros((15, 20, 3), np.uint8), None,
])  # fmt: skip
def test_what_is_no_image_is_refused(weights, image):
    with pytest.raises(InputError, match="expected an image "):
        Segmenter(weights, device="cpu").predict(image)
    with pytest.raises(InputError, match="dense CRF: expected parameters of"):
        Segmenter(weights, device="cpu", crf={"yeti": 1})
