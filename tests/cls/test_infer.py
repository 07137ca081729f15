"""cls.infer: batches, scales and mirror images, the size of the maps, and where an interrupted run resumes."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from cls.dataset import input_sizes
from cls.infer import load_network, parser, run
from cls.model import build
from common.files.dataset import DataSet
from common.files.images import read_grey
from common.files.preprocess import normalise
from common.training import checkpoint

ARCH = {"network": "classifier", "classes": 3, "channels": [4] * 5, "depths": [1] * 5, "nodes": 2}
MAPS = ["a_simple_0", "b_simple_2", "c_complex_0", "c_complex_1", "d_complex_0", "d_complex_1", "d_complex_2"]


@pytest.fixture
def infer(tiny_data, tmp_path):
    """`infer(out, batch_size, workers, *more)`: the maps of a random classifier, in folder `out`: {stem: int64 (h, w)}.

    Its weights are in tmp_path / "weights.pth".
    """
    torch.manual_seed(0)
    model = build(**ARCH)
    model.extra_convs_3[-1].weight.data *= 20
    model.extra_convs_3[-1].bias.data += 0.5  # so that no map is empty, and parts are below 0
    checkpoint.save(tmp_path / "weights.pth", arch=ARCH, state_dict=model.state_dict())

    def infer(out, batch_size, workers=0, *more):
        out.mkdir(exist_ok=True)
        options = ["--data", tiny_data, "--split", "train", "--weights", tmp_path / "weights.pth", "--input-size", 64]
        options += ["--batch-size", batch_size, "--workers", workers, "--device", "cpu", "--no-amp", "--out", out]
        options += more
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
    """One of an image's two maps is only begun."""
    before = infer(tmp_path / "cam", 2)
    lost, complete = tmp_path / "cam/c_complex_1.png", tmp_path / "cam/a_simple_0.png"
    lost.write_bytes(lost.read_bytes()[:50])  # the machine stopped
    time = complete.stat().st_mtime_ns
    after = infer(tmp_path / "cam", 2)
    assert sorted(after) == MAPS and all(np.array_equal(after[name], before[name]) for name in MAPS)
    assert complete.stat().st_mtime_ns == time


def plain_maps(tiny_data, weights, id, scales, flips, stride=8):
    """The maps of one image of the classifier, float32 (C, 8, 8), summed in a plain loop."""
    network, _ = load_network(weights)
    image = Image.fromarray(DataSet(tiny_data).image(id))
    total = torch.zeros(3, 8, 8)
    for scale in scales:
        size = max(8, round(64 * scale))
        resized = torch.from_numpy(np.array(image.resize((size, size), Image.BILINEAR)))[None]
        for flip in flips:
            with torch.inference_mode():
                maps = network(normalise(resized.flip(2) if flip else resized, "torchvision"))
            assert maps.shape[2:] == (size // stride, size // stride)
            maps = interpolate(maps.clamp(min=0), (8, 8), mode="bilinear", align_corners=False)
            total += (maps.flip(3) if flip else maps)[0]
    return total


@pytest.mark.parametrize("scales, flip", [((1, 0.5, 1.5, 2), True), ((0.5,), False)])
def test_scales_and_mirror_images_are_summed(infer, tiny_data, tmp_path, scales, flip):
    found = infer(tmp_path / "cam", 3, 2, "--scales", *scales, *["--flip"] * flip)
    for name, map_ in found.items():
        id, cls = name.rsplit("_", 1)
        expected = plain_maps(tiny_data, tmp_path / "weights.pth", id, scales, (False, True)[: 1 + flip])[int(cls)]
        np.testing.assert_allclose(map_, expected / expected.max() * 255, atol=1.01, err_msg=name)


def test_maps_have_the_side_of_the_networks_output_stride(infer, tmp_path):
    infer(tmp_path / "cam", 4)
    content = checkpoint.load(tmp_path / "weights.pth")
    fine = {"arch": content["arch"] | {"output_stride": 4}, "state_dict": content["state_dict"]}
    checkpoint.save(tmp_path / "fine.pth", **fine)
    maps = infer(tmp_path / "fine", 4, 0, "--weights", tmp_path / "fine.pth")
    assert {map_.shape for map_ in maps.values()} == {(16, 16)}


def test_sides_at_the_scales():
    assert input_sizes(50, [1, 0.5, 1.5, 2, 0.35, 0.01]) == [50, 25, 75, 100, 18, 8]
