"""cls.infer: batches, and where an interrupted run goes on."""

import numpy as np
import pytest
import torch

from cls.infer import parser, run
from cls.model import build
from common import checkpoint
from common.images import read_grey

ARCH = {"network": "classifier", "classes": 3, "channels": [4] * 5, "depths": [1] * 5, "nodes": 2}
MAPS = ["a_simple_0", "b_simple_2", "c_complex_0", "c_complex_1", "d_complex_0", "d_complex_1", "d_complex_2"]


@pytest.fixture
def infer(tiny_data, tmp_path):
    """`infer(out, batch_size, workers)`: the maps of a random classifier in folder `out`, {stem: int64 (h, w)}."""
    torch.manual_seed(0)
    model = build(**ARCH)
    model.extra_convs_3[-1].bias.data += 1  # so that no map is empty
    checkpoint.save(tmp_path / "weights.pth", arch=ARCH, state_dict=model.state_dict())

    def infer(out, batch_size, workers=0):
        out.mkdir(exist_ok=True)
        options = ["--data", tiny_data, "--split", "train", "--weights", tmp_path / "weights.pth", "--input-size", 64]
        options += ["--batch-size", batch_size, "--workers", workers, "--device", "cpu", "--no-amp", "--out", out]
        assert run(parser().parse_args([str(option) for option in options])) == "4 images, 7 maps"
        return {path.stem: read_grey(path).astype(int) for path in out.glob("*.png")}

    return infer


def test_one_map_for_each_class_of_each_image_whatever_the_batches(infer, tmp_path):
    alone, batched = infer(tmp_path / "alone", 1), infer(tmp_path / "batched", 3, workers=2)
    assert sorted(alone) == sorted(batched) == MAPS
    for name, map_ in alone.items():
        assert map_.shape == (8, 8) and map_.max() >= 254
        assert abs(map_ - batched[name]).max() <= 1, name  # float32 may round otherwise in another batch
    distinct = {map_.tobytes() for map_ in alone.values()}
    assert len(distinct) == len(MAPS), "maps that are all alike prove nothing"


def test_goes_on_where_it_stopped(infer, tmp_path):
    before = infer(tmp_path / "cam", 2)
    lost = tmp_path / "cam" / "b_simple_2.png"
    lost.write_bytes(lost.read_bytes()[:50])  # the machine stopped
    kept = (tmp_path / "cam" / "c_complex_0.png").stat().st_mtime_ns
    after = infer(tmp_path / "cam", 2)
    assert sorted(after) == MAPS and all(np.array_equal(after[name], before[name]) for name in MAPS)
    assert (tmp_path / "cam" / "c_complex_0.png").stat().st_mtime_ns == kept
