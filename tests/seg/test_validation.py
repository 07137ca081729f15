"""--val-every: the score that evaluate.labels gives seg.predict's labels, and a training that does not feel it."""

import json
import signal

import cv2
import numpy as np
import pytest
import torch

from common.files.dataset import DataSet
from seg.inference import load_deeplab
from seg.validation import evaluate
from stages.files import InputError
from tests.outputs import scalars

SIZE = ["--backbone", "vgg16", "--channels", 4, 4, 4, 4, 4, "--depths", 1, 1, 1, 1, 1, "--batch-norm", "--rates", 1]
SIZE += ["--no-freeze-bn", "--fc-channels", 4, "--crop-size", 33, "--batch-size", 2, "--iterations", 5, "--lr", 0.01]


@pytest.fixture
def trained(here, tiny_data):
    """`trained(folder, *options)` trains with batch norm and dropout, and returns <tmp_path>/<folder>."""
    own = ("--data", tiny_data, "--split", "train", "--labels", tiny_data / "SegmentationClass", *SIZE)
    return lambda folder, *options: here("seg.train", folder, *own, *options, "--device", "cpu", "--workers", 0)


def test_the_score_is_that_of_the_commands(trained, run_command, tiny_data, tmp_path):
    out = trained("seg", "--val-every", 2, "--val-split", "train")
    assert [*scalars(out)["val mIoU"]] == [2, 4]

    data = ("--data", tiny_data, "--split", "train")
    weights = ("--weights", out / "weights.pth", "--device", "cpu", "--workers", 0)
    assert run_command("seg.predict", *data, *weights, "--out", tmp_path / "pred").returncode == 0
    scores = ("--pred", tmp_path / "pred", "--workers", 1, "--out", tmp_path / "scores")
    assert run_command("evaluate.labels", *data, *scores).returncode == 0
    expected = json.loads((tmp_path / "scores" / "scores.json").read_text())
    network = load_deeplab(out / "weights.pth")[0].train()
    found = evaluate(network, DataSet(tiny_data), "train", torch.device("cpu"))
    assert network.training and {name: expected[name] for name in found} == found and 0 < found["mean_iou"] < 100


def test_workers_start_though_opencv_has_threads(trained, tiny_data):
    """As in the second score of a training, whose first one has resized labels; a forked worker would hang."""

    def hangs(*_):
        raise TimeoutError

    network = load_deeplab(trained("seg") / "weights.pth")[0]
    cv2.setNumThreads(2)
    cv2.resize(np.zeros((2000, 2000), np.float32), (4000, 4000))
    signal.signal(signal.SIGALRM, hangs)
    signal.alarm(120)
    try:
        assert evaluate(network, DataSet(tiny_data), "train", torch.device("cpu"), workers=1)["mean_iou"] > 0
    finally:
        signal.alarm(0)


def test_the_training_is_the_same(trained):
    with_scores, without = trained("a", "--val-every", 1), trained("b")
    first, second = (torch.load(out / "weights.pth")["state_dict"] for out in (with_scores, without))
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_a_missing_mask_is_named_before_the_training(trained, tiny_data, tmp_path):
    (tiny_data / "SegmentationClass" / "d_complex.png").rename(tmp_path / "gone.png")
    (tiny_data / "lists" / "train.txt").write_text("a_simple 0\n")
    with pytest.raises(InputError, match="d_complex.png: no such file, expected one for --val-every"):
        trained("seg", "--val-every", 1)
    assert not (tmp_path / "seg" / "tensorboard").exists()
