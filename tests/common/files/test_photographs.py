"""common.files.photographs: which files of a folder are photographs, under which ids, and what their pixels become."""

import io
import os
import runpy
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from common.files.photographs import (
    PhotographFolder,
    describe,
    photograph_size,
    read_photograph,
    safe_ids,
    scan,
    write_names,
)
from stages.files import InputError

bomb = runpy.run_path(str(Path(__file__).parents[2] / "damage.py"))["bomb"]

QUARTERS = np.zeros((8, 12, 3), np.uint8)  # upright: red, green above blue, grey
QUARTERS[:4, :6, 0] = QUARTERS[:4, 6:, 1] = QUARTERS[4:, :6, 2] = 255
QUARTERS[4:, 6:] = 128
AS_STORED = {  # EXIF orientation: what a camera stores of QUARTERS, by the standard's row and column 0
    1: QUARTERS,
    2: QUARTERS[:, ::-1],
    3: QUARTERS[::-1, ::-1],
    4: QUARTERS[::-1],
    5: QUARTERS.transpose(1, 0, 2),
    6: QUARTERS.transpose(1, 0, 2)[::-1],
    7: QUARTERS.transpose(1, 0, 2)[::-1, ::-1],
    8: QUARTERS.transpose(1, 0, 2)[:, ::-1],
}


def exif(orientation):
    found = Image.Exif()
    found[0x0112] = orientation
    return found


def save(path, array=QUARTERS, **options):
    Image.fromarray(array).save(path, **options)
    return path


@pytest.mark.parametrize("orientation", AS_STORED)
@pytest.mark.parametrize("ending, options", [("png", {}), ("webp", {"lossless": True}), ("jpg", {"quality": 100})])
def test_photographs_are_upright(tmp_path, orientation, ending, options):
    array = np.ascontiguousarray(AS_STORED[orientation])
    path = save(tmp_path / f"a.{ending}", array, exif=exif(orientation), **options)
    found = read_photograph(path)
    assert found.dtype == np.uint8 and found.shape == (8, 12, 3) and photograph_size(path) == (8, 12)
    if ending == "jpg":  # colours bleed
        assert (np.abs(found[1:3, 1:5].astype(int) - (255, 0, 0)) < 40).all()
        assert (np.abs(found[-2:, -4:].astype(int) - 128) < 40).all()
    else:
        np.testing.assert_array_equal(found, QUARTERS)


@pytest.mark.parametrize("orientation", [0, 9])
def test_orientations_that_are_none_turn_nothing(tmp_path, orientation):
    np.testing.assert_array_equal(read_photograph(save(tmp_path / "a.png", exif=exif(orientation))), QUARTERS)


@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_a_damaged_exif_block_turns_nothing(tmp_path, ending):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = save(tmp_path / f"a.{ending}", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
        assert read_photograph(path).shape == (8, 12, 3)


def test_colours(tmp_path):
    grey = QUARTERS[..., 0] // 255 * 255
    for mode in ("L", "1", "P"):
        Image.fromarray(grey).convert(mode).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_photograph(tmp_path / "a.png"), np.repeat(grey[..., None], 3, 2))
    Image.new("CMYK", (6, 4), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    red = read_photograph(tmp_path / "a.jpg")
    assert red.shape == (4, 6, 3) and (np.abs(red.astype(int) - (255, 0, 0)) < 10).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("ending", ["png", "webp"])
def test_what_is_transparent_becomes_white(tmp_path, mode, ending):
    image = Image.fromarray(QUARTERS).convert("RGBA")
    image.putalpha(Image.fromarray(np.where(np.arange(12) < 6, 0, 255).astype(np.uint8)[None].repeat(8, 0)))
    image.convert(mode).save(tmp_path / f"a.{ending}", **({"lossless": True} if ending == "webp" else {}))
    found = read_photograph(tmp_path / f"a.{ending}")
    assert (found[:, :6] == 255).all() and (found[:, 6:] < 255).any(2).all()


@pytest.mark.parametrize("ending", ["png", "webp"])
def test_of_an_animation_the_first_picture(tmp_path, ending):
    frames = [Image.fromarray(QUARTERS), Image.new("RGB", (12, 8), "yellow")]
    options = {"lossless": True} if ending == "webp" else {}
    frames[0].save(tmp_path / f"a.{ending}", save_all=True, append_images=frames[1:], **options)
    np.testing.assert_array_equal(read_photograph(tmp_path / f"a.{ending}"), QUARTERS)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_damaged_photographs_raise_input_errors_alone(tmp_path, format):
    random, buffer = np.random.default_rng(0), io.BytesIO()
    pixels = random.integers(0, 256, (20, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format, exif=exif(6))
    whole, failed = buffer.getvalue(), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(200):
            damaged = bytearray(whole[: random.integers(1, len(whole))] if random.random() < 0.5 else whole)
            for position in random.integers(0, min(len(damaged), random.choice([100, 9999])), 3):
                damaged[position] = random.integers(256)
            (tmp_path / "a.webp").write_bytes(damaged)
            try:
                read_photograph(tmp_path / "a.webp")
            except InputError as error:
                failed += 1
                assert "a.webp: expected" in str(error)
    assert failed > 50


@pytest.mark.parametrize("read", [read_photograph, photograph_size])
def test_what_is_no_photograph_is_named(tmp_path, read):
    with pytest.raises(InputError, match="none.png: no such file"):
        read(tmp_path / "none.png")
    Image.new("RGB", (6, 4)).save(tmp_path / "a.png", format="GIF")
    with pytest.raises(InputError, match="a.png: expected a complete image, PNG, JPEG or WebP"):
        read(tmp_path / "a.png")
    Image.new("I;16", (6, 4)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="a.png: expected 8 bits a channel, found 16 or more"):
        read(tmp_path / "a.png")
    bomb(tmp_path / "b.png", 8193)
    with pytest.raises(InputError, match="b.png: expected at most 67108864 pixels"):
        read(tmp_path / "b.png")


def touch(folder, *names):
    for name in names:
        (folder / name).touch()


def test_the_photographs_of_a_folder(tmp_path, capsys):
    touch(tmp_path, "b.JPG", "a.png", "c.jpeg", "d.WebP", "notes.txt", "e.heic", ".hidden.png", "._b.JPG")
    (tmp_path / "sub.png").mkdir()
    (tmp_path / "link.png").symlink_to("nowhere")
    folder = PhotographFolder(tmp_path)
    found = {each.id: each.path.name for each in folder.photographs}
    assert list(found.items()) == [("a", "a.png"), ("b", "b.JPG"), ("c", "c.jpeg"), ("d", "d.WebP")]
    assert folder.others == ["e.heic", "link.png/", "notes.txt", "sub.png/"]
    describe(folder, folder.photographs)
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"two\nlines.jpg"])
def test_names_that_no_list_can_hold_are_refused(tmp_path, name):
    os.close(os.open(os.fsencode(tmp_path) + b"/" + name, os.O_CREAT))
    with pytest.raises(InputError, match="expected names of UTF-8 text in one line") as error:
        scan(tmp_path)
    assert str(error.value).isascii() and len(str(error.value).splitlines()) == 1


IDS = [
    (["IMG_2", "a.b-c", "2007_000032"], ["IMG_2", "a.b-c", "2007_000032"]),
    (["Été à la mer (1)"], ["ete_a_la_mer_1"]),
    (["Screenshot at 3.15\u202fPM"], ["screenshot_at_3_15_pm"]),
    (["a", "a", "a"], ["a", "a_2", "a_3"]),
    (["é", "e", "E"], ["e_2", "e", "E"]),  # what can be an id stays
    (["a b", "a_b", "a?b", "a_b_2"], ["a_b_3", "a_b", "a_b_4", "a_b_2"]),
    (["海", "-", "..", "_x"], ["image", "image_2", "image_3", "x"]),
    (["x" * 250, "y" * 200], ["x" * 190, "y" * 200]),
    (["-" + "x" * 250, "x" * 250], ["x" * 189, "x" * 190]),
]


@pytest.mark.parametrize("stems, ids", IDS)
def test_ids(stems, ids):
    assert safe_ids(stems) == ids


def test_names_that_changed_are_listed(tmp_path):
    touch(tmp_path, "a.png", 'b,"c.png', "d.jpg", "d.png")
    write_names(tmp_path / "names.csv", scan(tmp_path)[0])
    assert (tmp_path / "names.csv").read_text() == 'file,id\n"b,""c.png",b_c\nd.png,d_2\n'
    (tmp_path / "names.csv").unlink()
    write_names(tmp_path / "names.csv", scan(tmp_path)[0][:1])
    assert not (tmp_path / "names.csv").exists()
