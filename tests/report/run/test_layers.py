"""report.run.layers: that what lies over a photograph has the colours and the transparency that it should."""

import numpy as np
from PIL import Image

from common.images import VOC_PALETTE
from report.run.layers import IGNORED_ALPHA, MAP_ALPHA, write_label, write_map, write_photograph


def rgba(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


def colour(value):
    return VOC_PALETTE[3 * value : 3 * value + 3]


def test_label_has_the_palettes_colours_and_shows_the_photograph_where_it_is_background(tmp_path):
    label = np.array([[0, 1, 20], [254, 255, 0]], np.uint8)
    write_label(tmp_path / "label.png", label, 1000)
    expected = [[[0, 0, 0, 0], [*colour(1), 255], [*colour(20), 255]]]
    expected += [[[*colour(254), 255], [224, 224, 192, IGNORED_ALPHA], [0, 0, 0, 0]]]
    assert rgba(tmp_path / "label.png").tolist() == expected


def test_label_of_one_value_and_of_all_values(tmp_path):
    for label in (np.zeros((3, 4), np.uint8), np.full((3, 4), 255, np.uint8), np.arange(256, dtype=np.uint8)[None]):
        write_label(tmp_path / "label.png", label, 1000)
        found = rgba(tmp_path / "label.png")
        assert (found[..., :3] == np.array(VOC_PALETTE).reshape(256, 3)[label]).all()
        assert ((found[..., 3] > 0) == (label > 0)).all()


def test_a_shrunk_label_has_no_new_values(tmp_path):
    label = np.zeros((900, 1200), np.uint8)
    label[:, 600:] = 3
    write_label(tmp_path / "label.png", label, longest=40)
    found = rgba(tmp_path / "label.png")
    assert found.shape == (30, 40, 4)
    assert (found[:, :20, 3] == 0).all() and (found[:, 20:] == [*colour(3), 255]).all()


def test_a_labels_file_is_small(tmp_path):
    label = np.zeros((375, 500), np.uint8)
    label[100:200, 100:300], label[200:, :50] = 15, 255
    write_label(tmp_path / "label.png", label, 1000)
    assert (tmp_path / "label.png").stat().st_size < 600


def test_map_is_more_opaque_where_it_is_higher(tmp_path):
    write_map(tmp_path / "map.png", np.arange(256, dtype=np.uint8)[None].repeat(3, axis=0), 256)
    found = rgba(tmp_path / "map.png").astype(int)
    assert found.shape == (3, 256, 4) and found[0, 0, 3] == 0 and found[0, -1, 3] == MAP_ALPHA
    assert (np.diff(found[0, :, 3]) >= 0).all() and len(np.unique(found[0, :, 3])) > 30
    assert len(np.unique(found[0, :, :3], axis=0)) > 30
    write_map(tmp_path / "small.png", np.zeros((300, 600), np.uint8), longest=60)
    assert rgba(tmp_path / "small.png").shape == (30, 60, 4)


def test_photograph_is_shrunk_never_enlarged(tmp_path):
    rgb = np.full((300, 400, 3), (200, 100, 50), np.uint8)
    for longest, size in ((640, (400, 300)), (200, (200, 150))):
        write_photograph(tmp_path / "photograph.jpg", rgb, longest)
        with Image.open(tmp_path / "photograph.jpg") as image:
            assert image.format == "JPEG" and image.size == size
            assert np.abs(np.asarray(image).astype(int) - (200, 100, 50)).max() < 8
