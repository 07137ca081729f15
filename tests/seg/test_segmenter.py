"""seg.segmenter: what a Segmenter says of an array is what seg.predict writes of the photograph."""

import numpy as np
import pytest
import torch

from common.files.images import read_indexed
from common.files.photographs import PhotographFolder, read_photograph
from seg.predict import parser, run
from seg.segmenter import Segmenter
from stages.files import InputError

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
DEVICES = ["cpu", pytest.param("cuda", marks=needs_gpu)]


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
def test_the_label_is_that_of_the_command(photos, tmp_path, weights, no_processes, device, options, arguments):
    (tmp_path / "pred").mkdir()
    words = ["--images", photos, "--weights", weights, "--out", tmp_path / "pred", "--workers", 0, "--batch-size", 1]
    args = parser().parse_args([str(word) for word in [*words, "--device", device, *arguments]])
    run(args)
    segmenter = Segmenter(weights, device=device, **options)
    shown = set()
    for id, path in PhotographFolder(photos).photographs:
        rgb = read_photograph(path)
        label = segmenter.predict(rgb)
        assert label.dtype == np.uint8 and label.shape == rgb.shape[:2] and label.flags.writeable
        assert label.tobytes() == read_indexed(tmp_path / "pred" / f"{id}.png").tobytes()
        shown |= set(np.unique(label))
    assert len(shown) > 1


def test_names_and_options(weights):
    segmenter = Segmenter(str(weights), device="cpu")
    assert segmenter.class_names == ["class 1", "class 2", "class 3"] and segmenter.device.type == "cpu"
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
