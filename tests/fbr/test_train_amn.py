"""fbr.train_amn: with all losses left out it is cls.train_amn, each loss moves the backbone, the heads do not stay."""

import pytest
import torch

from common.training import loop
from fbr.settings import Settings
from fbr.train_amn import build
from tests.fbr.test_train import Killed, dies_in_step, leaves
from tests.outputs import scalars, weights

AMN = ("--blocks", 1, 1, 1, 1, "--width", 4, "--rates", 1, "--crop-size", 64, "--epochs", 2, "--batch-size", 4)
HERE = ("--device", "cpu", "--workers", 0, "--no-amp", "--save-every", 1)
FBR = ("--embedding", 4, "--centres", 2, "--bank-size", 9, "--negatives", 3, "--queries", 9, "--prototype-pixels", 4)
PARTS = ("nroi", "intra", "similarity", "segmentation")


@pytest.fixture
def train(here, tiny_data):
    """`train(folder, command, *more)` trains on the tiny data's ground truth and returns <tmp_path>/<folder>."""
    own = ("--data", tiny_data, "--split", "train", "--seeds", tiny_data / "SegmentationClass", *AMN, *HERE)
    return lambda folder, command, *more: here(command, folder, *own, *more)


def test_fbr_draws_by_the_seed():
    arch = {"backbone": "vgg16", "classes": 3, "channels": [4] * 5, "depths": [1] * 5}
    assert build(Settings(bank_size=9), 7, **arch).fbr.seed == 7


def test_each_loss_moves_the_backbone_and_none_leaves_a_head(train):
    ends = {"plain": weights(train("plain", "cls.train_amn"))}
    for part in ("none", *PARTS):
        given = [word for name in PARTS for word in (f"--{name}-weight", int(name == part))]
        rule = "refined" if part == "similarity" else "cam"
        out = train(part, "fbr.train_amn", *FBR, *given, "--labels", rule)
        ends[part] = weights(out)
        told = {name.removeprefix("loss/") for name in scalars(out) if name.startswith("loss/")}
        assert told == {"seeds"} | ({part} - {"none"})
        assert part == "none" or any(scalars(out)[f"loss/{part}"].values()), part
    assert all(end.keys() == ends["plain"].keys() for end in ends.values())
    name = "features.layer5.block1.increase.conv.weight"
    ends = {part: end[name] for part, end in ends.items()}
    assert torch.equal(ends["none"], ends.pop("plain"))
    assert len({end.numpy().tobytes() for end in ends.values()}) == len(PARTS) + 1


def test_stopped_it_ends_the_same(train, monkeypatch):
    """Byte for byte: weights, and what the last checkpoint holds, the bank and Adam's averages among it."""
    whole = train("whole", "fbr.train_amn", *FBR, "--batch-size", 3)
    monkeypatch.setattr(loop, "Report", dies_in_step(3))
    with pytest.raises(Killed):
        train("parts", "fbr.train_amn", *FBR, "--batch-size", 3)
    assert torch.load(whole.parent / "parts/training.pth", weights_only=False)["iteration"] == 3
    monkeypatch.undo()
    parts = train("parts", "fbr.train_amn", *FBR, "--batch-size", 3)
    ends = [list(leaves(torch.load(out / "training.pth", weights_only=False))) for out in (parts, whole)]
    assert ends[0] == ends[1] and any("exp_avg_sq" in name for name, _ in ends[0])
    assert (parts / "weights.pth").read_bytes() == (whole / "weights.pth").read_bytes()
