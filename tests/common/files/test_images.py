"""Images and files: what is written can be read, and nothing is left half-written."""

import numpy as np
import pytest
from PIL import Image

from common.files import images
from stages import files

ALL_VALUES = np.arange(256, dtype=np.uint8).reshape(8, 32)


@pytest.mark.parametrize("index, colour", [
    (1, (128, 0, 0)), (15, (192, 128, 128)), (20, (0, 64, 128)), (255, (224, 224, 192)),
])  # fmt: skip
def test_palette_is_vocs(tmp_path, index, colour):
    images.write_indexed(tmp_path / "a.png", np.full((2, 2), index, np.uint8))
    with Image.open(tmp_path / "a.png") as image:
        assert image.convert("RGB").getpixel((0, 0)) == colour


PAIRS = [(images.write_grey, images.read_grey), (images.write_indexed, images.read_indexed)]
ARRAYS = [ALL_VALUES, ALL_VALUES[:1, :1], np.full((3, 5), 255, np.uint8), np.eye(7, dtype=np.uint8)]


@pytest.mark.parametrize("write, read", PAIRS)
@pytest.mark.parametrize("array", ARRAYS)
def test_round_trip(tmp_path, write, read, array):
    write(tmp_path / "a.png", array)
    found = read(tmp_path / "a.png")
    assert np.array_equal(found, array) and found.dtype == np.uint8
    assert images.image_size(tmp_path / "a.png") == array.shape
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_photographs_become_rgb(tmp_path, mode):
    Image.new(mode, (6, 4)).save(tmp_path / "a.jpg")
    image = images.read_rgb(tmp_path / "a.jpg")
    assert image.shape == (4, 6, 3) and image.dtype == np.uint8


@pytest.mark.parametrize("exception", [ValueError, KeyboardInterrupt])
def test_atomic_leaves_nothing_behind(tmp_path, exception):
    path = tmp_path / "a.txt"
    for before in ([], [path]):
        with pytest.raises(exception), files.atomic(path) as partial:
            partial.write_text("half")
            raise exception
        assert list(tmp_path.iterdir()) == before
        path.write_text("old")
    assert path.read_text() == "old"
