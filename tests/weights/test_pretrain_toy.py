"""weights.pretrain_toy: a folder whose backbone fits, and a stage that behaves like one."""

import subprocess
import sys
from pathlib import Path

import torch

from cls.model import build as build_classifier
from common.nets.architecture import VGGArch
from common.nets.vgg import vgg_features
from common.training.checkpoint import load, load_backbone
from seg.deeplab import build as build_deeplab
from seg.pretrained import load_init

ROOT = Path(__file__).resolve().parents[2]
TINY = "--channels 4 4 8 8 8 --depths 1 1 1 1 1 --crops 20 --batch-size 8 --workers 1 --device cpu".split()


def pretrain(out, *options):
    command = [sys.executable, "-m", "weights.pretrain_toy", "--out", str(out), *TINY, *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_writes_a_backbone_that_loads_and_skips_the_second_time(tmp_path):
    out = tmp_path / "toy"
    first = pretrain(out, "--steps", "2")
    assert first.returncode == 0, first.stderr
    assert ": 2 steps, loss " in first.stdout
    assert {path.name for path in out.iterdir()} - {".lock"} == {"stage.json", "weights.pth"}
    content = torch.load(out / "weights.pth", weights_only=True)
    sizes = {"channels": [4, 4, 8, 8, 8], "depths": [1, 1, 1, 1, 1], "batch_norm": True}
    assert content["arch"] == {**sizes, "output_stride": 8}
    backbone = {name.removeprefix("features."): tensor for name, tensor in content["state_dict"].items()}
    assert all(name.startswith("features.") for name in content["state_dict"])
    vgg_features(VGGArch(**content["arch"])).load_state_dict(backbone)  # strict
    before = (out / "weights.pth").stat().st_mtime_ns
    second = pretrain(out, "--steps", "2")
    assert second.returncode == 0 and "nothing to do" in second.stdout
    assert (out / "weights.pth").stat().st_mtime_ns == before
    assert_it_starts_both_networks(out / "weights.pth", sizes)


def assert_it_starts_both_networks(path, sizes):
    wanted = torch.load(path, weights_only=True)["state_dict"]
    classifier = build_classifier(network="classifier", classes=3, nodes=2, **sizes)
    load_backbone(classifier, load(path), path)
    deeplab = build_deeplab(backbone="vgg16", classes=3, fc_channels=0, **sizes)
    assert all(name.startswith("aspp.") for name in load_init(deeplab, path)[0])
    for network in (classifier, deeplab):
        state = network.state_dict()
        assert all(torch.equal(state[name], tensor) for name, tensor in wanted.items())
