"""seg.predict: what becomes of the logits, with and without processes and CRF."""

import numpy as np
import pytest
import torch

from common import checkpoint
from common.files import read_indexed
from seg.crf import DEFAULTS
from seg.deeplab import MultiScale, build
from seg.predict import write_prediction

ARCH = {
    "backbone": "vgg16",
    "classes": 3,
    "channels": [4, 4, 4, 4, 4],
    "depths": [1] * 5,
    "fc_channels": 4,
    "rates": [1],
}


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    model = MultiScale(build(**ARCH))
    model.base.aspp.c0.fc8.weight.data *= 100  # so that not every pixel is the same class
    checkpoint.save(tmp_path / "weights.pth", arch=ARCH, pyramid=[0.5, 0.75], state_dict=model.state_dict())
    return tmp_path / "weights.pth"


def test_logits_are_resized_before_the_maximum(tmp_path):
    logits = np.zeros((2, 2, 2), np.float32)
    logits[:, 1, 1] = 1  # class 1 wins to the right of the middle
    logits[:, :, 0] = 0.5
    write_prediction(tmp_path, None, ("a", np.zeros((4, 8, 3), np.uint8), logits))
    label = read_indexed(tmp_path / "a.png")
    assert label.shape == (4, 8) and (label[:, :4] == 0).all() and (label[:, 4:] == 1).all()


def test_crf_uses_the_image(tmp_path):
    image = np.zeros((24, 32, 3), np.uint8)
    image[:, 20:] = 255  # an edge, a little off where the logits see it
    logits = np.zeros((3, 4, 2), np.float32)
    logits[:, :2, 0] = logits[:, 2:, 1] = 3
    for crf, name in ((None, "plain"), (DEFAULTS, "crf")):
        write_prediction(tmp_path, crf, (name, image, logits))
    assert (read_indexed(tmp_path / "plain.png")[:, 19] == 1).all()
    snapped = read_indexed(tmp_path / "crf.png")
    assert (snapped[:, :20] == 0).all() and (snapped[:, 20:] == 1).all()


def test_every_image_once_in_its_own_size_and_the_same_with_any_workers(run_command, tiny_data, tmp_path, weights):
    for workers in (0, 2):
        common = (
            "--data",
            tiny_data,
            "--split",
            "train",
            "--weights",
            weights,
            "--workers",
            workers,
            "--device",
            "cpu",
        )
        result = run_command("seg.predict", *common, "--out", tmp_path / f"pred{workers}")
        assert result.returncode == 0, result.stderr
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / f"pred{w}").glob("*.png")} for w in (0, 2))
    assert first == second and len(first) == 4
    assert read_indexed(tmp_path / "pred0" / "d_complex.png").shape == (40, 56)
    labels = np.concatenate([read_indexed(path).ravel() for path in (tmp_path / "pred0").glob("*.png")])
    assert len(np.unique(labels)) > 1


def test_goes_on_where_it_stopped(run_command, tiny_data, tmp_path, weights):
    command = (
        "--data",
        tiny_data,
        "--split",
        "train",
        "--weights",
        weights,
        "--workers",
        0,
        "--out",
        tmp_path / "pred",
    )
    run_command("seg.predict", *command)
    record = tmp_path / "pred" / "stage.json"
    record.write_text(
        record.read_text().replace('"finished": "2', '"finished": null, "was": "2')
    )  # as if it had been killed
    (tmp_path / "pred" / "a_simple.png").unlink()
    kept = (tmp_path / "pred" / "b_simple.png").stat().st_mtime_ns
    result = run_command("seg.predict", *command)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "pred" / "a_simple.png").exists()
    assert (tmp_path / "pred" / "b_simple.png").stat().st_mtime_ns == kept


def test_another_backbone_is_refused(run_command, tiny_data, tmp_path, weights):
    command = ("--data", tiny_data, "--split", "train", "--weights", weights, "--out", tmp_path / "pred")
    result = run_command("seg.predict", *command, "--backbone", "resnet101")
    assert result.returncode == 2 and "expected a resnet101, found a vgg16" in result.stderr
