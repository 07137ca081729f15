"""weights.pretrain_toy: a file whose trunk fits, independent factors, and a stage that behaves like one."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from common.vgg import vgg_features
from weights.pretrain_toy import draw_crops

ROOT = Path(__file__).resolve().parents[2]
TINY = "--channels 4 4 8 8 8 --depths 1 1 1 1 1 --crops 20 --batch-size 8 --workers 1 --device cpu".split()


def pretrain(out, *options):
    command = [sys.executable, "-m", "weights.pretrain_toy", "--out", str(out), *TINY, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_writes_a_trunk_that_loads_and_skips_the_second_time(tmp_path):
    out = tmp_path / "toy.pth"
    first = pretrain(out, "--steps", "2")
    assert first.returncode == 0, first.stderr
    for factor in ("shape", "texture", "hue"):
        assert factor in first.stdout
    content = torch.load(out, weights_only=True)
    assert content["arch"] == {"channels": [4, 4, 8, 8, 8], "depths": [1, 1, 1, 1, 1], "batch_norm": True}
    trunk = {name.removeprefix("features."): tensor for name, tensor in content["state_dict"].items()}
    assert all(name.startswith("features.") for name in content["state_dict"])
    vgg_features(**content["arch"]).load_state_dict(trunk)  # strict
    before = out.stat().st_mtime_ns
    second = pretrain(out, "--steps", "2")
    assert second.returncode == 0 and "nothing to do" in second.stdout
    assert out.stat().st_mtime_ns == before


def test_a_loss_that_is_not_finite_is_an_error_and_leaves_nothing(tmp_path):
    result = pretrain(tmp_path / "toy.pth", "--steps", "8", "--lr", "1e30", "--no-batch-norm")
    assert result.returncode == 2 and "the loss is" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert not list(tmp_path.iterdir())


def test_bad_arguments_are_named(tmp_path):
    result = pretrain(tmp_path / "toy.pth", "--steps", "0")
    assert result.returncode == 2 and "--steps: expected" in result.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_crops_follow_from_the_seed_and_their_factors_are_independent():
    images, factors = draw_crops(200, 0, 1)
    again, _ = draw_crops(4, 0, 1)
    assert images.shape == (200, 3, 64, 64) and images.dtype == np.uint8
    assert np.array_equal(images[:4], again)
    assert [len(set(column)) for column in factors.T] == [8, 7, 8]
    assert np.abs(np.corrcoef(factors.T) - np.eye(3)).max() < 0.25
