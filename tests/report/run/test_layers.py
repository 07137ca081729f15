"""report.run.layers: what lies over a photograph has the colours and the transparency that it should."""

import numpy as np
import pytest
from PIL import Image

from common.files.images import VOC_COLOURS
from report.run.layers import IGNORED_ALPHA, MAP_ALPHA, write_label, write_map


def rgba(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("label", [np.zeros((3, 4)), np.full((3, 4), 255), np.arange(256)[None], [[0, 1, 20, 255]]])
def test_label_has_the_palettes_colours_and_shows_the_photograph_where_it_is_background(tmp_path, label):
    label = np.array(label, np.uint8)
    write_label(tmp_path / "label.png", label, 1000)
    found = rgba(tmp_path / "label.png")
    assert (found[..., :3] == VOC_COLOURS[label]).all()
    assert (found[..., 3] == np.where(label == 0, 0, np.where(label == 255, IGNORED_ALPHA, 255))).all()


def test_a_shrunk_label_has_no_new_values(tmp_path):
    label = np.zeros((900, 1200), np.uint8)
    label[:, 600:] = 3
    write_label(tmp_path / "label.png", label, 40)
    found = rgba(tmp_path / "label.png")
    assert found.shape == (30, 40, 4)
    assert (found[:, :20, 3] == 0).all() and (found[:, 20:] == [*VOC_COLOURS[3], 255]).all()


def test_map_is_more_opaque_where_it_is_higher(tmp_path):
    write_map(tmp_path / "map.png", np.arange(256, dtype=np.uint8)[None].repeat(3, axis=0), 256)
    found = rgba(tmp_path / "map.png").astype(int)
    assert found.shape == (3, 256, 4) and found[0, 0, 3] == 0 and found[0, -1, 3] == MAP_ALPHA
    assert (np.diff(found[0, :, 3]) >= 0).all() and len(np.unique(found[0, :, :3], axis=0)) > 30
    assert found[0, -1, 0] > 200 > 100 > found[0, 0, 0]  # from blue to yellow
