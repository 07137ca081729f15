"""Folders of class maps: the layouts of .npy, and that every command reads them as it does PNGs."""

import numpy as np
import pytest
import torch
from PIL import Image

from common.files.dataset import DataSet, Item
from common.files.maps import read_maps, stored_map, stored_maps

ITEM = Item("a", (0, 2))


def stack(*levels, size=(5, 7)):
    return np.stack([np.full(size, level, np.float32) for level in levels])


def test_layouts_of_npy(tmp_path):
    """irn's (ReCAM's, too), with tensors; AMN's, with the background first; SEAM's, without a class of the image.

    SEAM sets what is at a map's minimum to 0 before it subtracts the minimum: numbers below 0.
    """
    fine, coarse = stack(0.2, 0.403), torch.from_numpy(stack(0, 0.6, 1, size=(2, 3)))[1:]
    layouts = {
        "irn": {"keys": torch.tensor([0, 2]), "cam": coarse, "high_res": fine},
        "amn": {"keys": np.array([0, 2]), "cam": torch.cat([coarse[:1], coarse]), "high_res": stack(0.9, 0.2, 0.403)},
        "seam": {2: stack(0.403)[0]},
        "seam_below_0": {0: np.where(np.eye(5, 7), np.float32(-1.5), stack(0.2)[0]), 2: stack(0.403)[0]},
    }
    for name, content in layouts.items():
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "a.npy", content)
    for name in layouts:
        found = read_maps(tmp_path / name, ITEM, (5, 7))
        assert {cls: np.unique(map_).tolist() for cls, map_ in found.items()} == (
            ({} if name == "seam" else {0: [0, 51] if name == "seam_below_0" else [51]}) | {2: [103]}
        )
        assert all(map_.shape == (5, 7) and map_.dtype == np.uint8 for map_ in found.values())
        assert np.unique(stored_map(tmp_path / name, ITEM, 2)) == [103]
    for name in ("irn", "amn"):
        found = stored_maps(tmp_path / name, ITEM, (2, 3))  # without resizing
        assert {cls: np.unique(map_).tolist() for cls, map_ in found.items()} == {0: [153], 2: [255]}


COMMANDS = {  # with a folder of maps as the last argument
    "pseudo.background": "--workers 1 --oa-cam",
    "pseudo.pom": "--workers 1 --label {label} --cam",
    "irn.seed": "--workers 1 --device cpu --crf-iterations 1 --maps",
    "fbr.refine": "--workers 1 --maps",
    "evaluate.labels": "--workers 1 --map-thresholds 0.3 0.6 --pred",
    "cls.train_iam": "--input-size 64 --epochs 1 --channels 4 4 4 4 4 --depths 1 1 1 1 1 --nodes 2 --workers 0 "
    "--device cpu --attention",
}


@pytest.mark.parametrize("module", COMMANDS)
def test_a_folder_of_npy_gives_what_pngs_give(in_process, tiny_data, tmp_path, module):
    dataset, rng = DataSet(tiny_data), np.random.default_rng(0)
    for folder in ("png", "npy"):
        (tmp_path / folder).mkdir()
    for item in dataset.split("train"):
        size = (8, 8) if module == "cls.train_iam" else dataset.image_size(item.id)
        maps = {cls: np.array(Image.fromarray(rng.integers(0, 256, (3, 4), np.uint8)).resize(size[::-1], Image.BICUBIC))
                for cls in item.classes}  # fmt: skip
        for cls, map_ in maps.items():
            Image.fromarray(map_).save(tmp_path / f"png/{item.id}_{cls}.png")
        np.save(tmp_path / f"npy/{item.id}.npy", {cls: map_ / np.float32(255) for cls, map_ in maps.items()})
    words = COMMANDS[module].format(label=tiny_data / "SegmentationClass").split()
    outputs = []
    for folder in ("png", "npy"):
        out = tmp_path / f"out_{folder}"
        in_process(module, "--data", tiny_data, "--split", "train", "--out", out, *words, tmp_path / folder)
        names = [
            path for path in sorted(out.iterdir()) if path.suffix in (".png", ".pth") or path.name == "scores.json"
        ]
        outputs.append({path.name: path.read_bytes() for path in names})
    assert outputs[0] == outputs[1] and outputs[0]
