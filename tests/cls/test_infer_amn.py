"""cls.infer_amn: its maps are those of a plain loop, of the images' sizes, and it resumes where it stopped."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import interpolate

from cls.amn import build
from cls.infer_amn import scores
from common.files.dataset import DataSet
from common.files.images import read_grey
from common.training import checkpoint

ARCH = {"network": "amn", "backbone": "resnet50", "classes": 3, "blocks": [1, 1, 1, 1], "width": 4, "rates": [1, 2]}
MAPS = ["a_simple_0", "b_simple_2", "c_complex_0", "c_complex_1", "d_complex_0", "d_complex_1", "d_complex_2"]
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


@pytest.fixture
def infer(here, tiny_data, tmp_path):
    """`infer(folder, *more)`: the maps of a random AMN, {stem: uint8 (H, W)}; it is in tmp_path / "weights.pth"."""
    torch.manual_seed(0)
    model = build(**ARCH)
    model.aspp.c0.weight.data *= 30  # so that the classes differ
    checkpoint.save(tmp_path / "weights.pth", arch=ARCH, state_dict=model.state_dict())
    own = ("--data", tiny_data, "--split", "train", "--weights", tmp_path / "weights.pth", "--workers", 0)
    own += ("--seeds", tiny_data / "SegmentationClass", "--device", "cpu", "--no-amp")

    def infer(folder, *more):
        out = here("cls.infer_amn", folder, *own, *more)
        return {path.stem: read_grey(path) for path in out.glob("*.png")}

    return infer


def plain_maps(tiny_data, weights, item, scales, stride=1):
    """The maps of an image at a stride, {stem: float32 (h, w)}, pixel values 0 to 255."""
    model = build(**ARCH).eval()
    model.load_state_dict(torch.load(weights)["state_dict"])
    dataset = DataSet(tiny_data)
    image, seed = Image.fromarray(dataset.image(item.id)), Image.fromarray(dataset.ground_truth(item.id))
    seed = np.array(seed.resize([-(-side // stride) for side in seed.size], Image.NEAREST))
    labels, logits = torch.zeros(1, 3), []
    labels[0, list(item.classes)] = 1
    for scale in scales:
        small = image.resize((round(image.width * scale), round(image.height * scale)), Image.BICUBIC)
        for mirrored in (False, True):
            x = torch.from_numpy(np.array(small)[:, :: -1 if mirrored else 1].copy()) / 255
            with torch.no_grad():
                found = model(((x - MEAN) / STD).permute(2, 0, 1)[None], labels).logits
            logits.append(interpolate(found.flip(3) if mirrored else found, seed.shape, mode="bilinear"))
    chances, maps = (sum(logits) / len(logits)).softmax(1)[0].numpy(), {}
    for cls in item.classes:
        own = chances[cls + 1]
        scaled = (own - own.min()) / (own.max() - own.min() + 1e-5)
        maps[f"{item.id}_{cls}"] = 255 * np.where(seed == 0, own, scaled)
    return maps


@pytest.mark.parametrize("scales", [(1, 0.5, 1.5, 2), (0.75,)])
def test_maps_are_those_of_a_plain_loop(infer, tiny_data, tmp_path, scales):
    found = infer("amn_cam", "--scales", *scales)
    assert sorted(found) == MAPS
    for item in DataSet(tiny_data).split("train"):
        for name, expected in plain_maps(tiny_data, tmp_path / "weights.pth", item, scales).items():
            np.testing.assert_allclose(found[name], expected, atol=0.6)
            assert np.ptp(expected) > 50


def test_maps_in_floating_point(infer, tiny_data, tmp_path):
    """irn's layout; those at a quarter of the size are of logits and seeds of that size."""
    assert infer("amn_cam", "--dump-float") == {}
    for item in DataSet(tiny_data).split("train"):
        found = np.load(tmp_path / f"amn_cam/{item.id}.npy", allow_pickle=True).item()
        assert found["keys"].tolist() == list(item.classes)
        for name, stride in (("high_res", 1), ("cam", 4)):
            expected = plain_maps(tiny_data, tmp_path / "weights.pth", item, (1, 0.5, 1.5, 2), stride)
            np.testing.assert_allclose(255 * np.asarray(found[name]), list(expected.values()), atol=0.01)
    (tmp_path / "amn_cam/d_complex.npy").unlink()
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("amn_cam/*.npy")}
    infer("amn_cam", "--dump-float")
    after = {path.name: path.stat().st_mtime_ns for path in tmp_path.glob("amn_cam/*.npy")}
    assert before.items() < after.items() and after.keys() - before.keys() == {"d_complex.npy"}


def test_goes_on_where_it_stopped_and_dropout_is_only_on_if_asked(infer, tmp_path):
    before = infer("amn_cam")
    lost = tmp_path / "amn_cam/c_complex_1.png"
    lost.write_bytes(lost.read_bytes()[:50])
    after, random = infer("amn_cam"), infer("random", "--published-dropout")
    assert all(np.array_equal(after[name], before[name]) for name in MAPS)
    assert any(not np.array_equal(random[name], before[name]) for name in MAPS)


def test_scores_are_scaled_where_the_seed_is_not_background():
    """Between the extremes of each map of each image."""
    own = torch.tensor([[0.0, 1, 2, 3], [5, -1, 0, 1], [0, -1, -2, -3], [2, 2, 0, 4]]).view(2, 2, 1, 4)
    logits = torch.cat([torch.zeros(2, 1, 1, 4), own], 1)
    seeds = torch.tensor([[[0, 1, 255, 2]], [[1, 1, 0, 0]]], dtype=torch.uint8)
    found = scores([logits], seeds, (1, 4))
    for image, cls in ((0, 0), (0, 1), (1, 0), (1, 1)):
        p, seed = logits[image].softmax(0)[1 + cls, 0], seeds[image, 0]
        scaled = (p - p.min()) / (p.max() - p.min() + 1e-5)
        torch.testing.assert_close(found[image, cls, 0], torch.where(seed == 0, p, scaled))


def test_maps_do_not_depend_on_the_batch(infer, tiny_data):
    """Images of one size share a batch, each with its own labels and seed."""
    own = infer("alone", "--batch-size", 1)
    dataset = DataSet(tiny_data)
    assert len({dataset.image_size(id) for id in ("a_simple", "c_complex")}) == 1
    for name, found in infer("together", "--batch-size", 3).items():
        np.testing.assert_allclose(found.astype(int), own[name], atol=1, err_msg=name)
