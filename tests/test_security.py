"""What data and weights from elsewhere must not be able to do. What no code may do: tests/test_forbidden_code.py.

Tested elsewhere: https alone, certificates, links, devices and paths in archives, and checksums
(tests/data/test_download.py, tests/weights/test_fetch.py), document types of annotations
(tests/data/test_prepare_voc12.py), and what readers and commands
say to such input (tests/test_bad_files.py, tests/test_bad_input.py).
"""

from pathlib import Path

import pytest
import torch
from PIL import ImageFile

from common.files import images
from common.files.dataset import DataSet
from common.training import checkpoint
from data import check, prepare_voc12
from stages.files import InputError
from tests.damage import bomb
from weights import fetch as weights

ROOT = Path(__file__).resolve().parents[1]

# Weights


class Evil:
    """A pickle of it creates a file when it is read, if it is."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("place", ["whole", "arch", "tensor", "unread"])
def test_code_in_weights_is_not_executed(tmp_path, legacy, place):
    evil = Evil(tmp_path / "executed")
    contents = {"whole": evil, "arch": {"arch": evil}, "tensor": {"state_dict": {"a": evil}}, "unread": {"note": evil}}
    torch.save(contents[place], tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InputError, match="a.pth: expected a PyTorch weight file .tensors and plain values only"):
        checkpoint.load(tmp_path / "a.pth")
    with pytest.raises(InputError, match="a.pth: expected a PyTorch weight file"):
        weights.check_network(tmp_path / "a.pth", weights.SOURCES["vgg16"])
    assert not evil.path.exists()
    torch.load(tmp_path / "a.pth", weights_only=False)
    assert evil.path.exists(), "the file does not do what it should do"


# Ids and paths

IDS = ["../bait", "sub/bait", "{root}/bait", "..", ".", ".bait", "-bait", "--force", "a\\bait", "a\0bait", "~bait",
       "$HOME", "a;bait", "a" * 201, "ａ", "a\u202ebait"]  # fmt: skip


@pytest.mark.parametrize("id", IDS)
def test_no_id_is_used_as_a_path_unchecked(tiny_data, tmp_path, monkeypatch, id, capsys):
    id = id.format(root=tmp_path)
    opened = []
    monkeypatch.setattr(images.Image, "open", lambda path, **_: opened.append(Path(path)) or pytest.fail("opened"))
    monkeypatch.setattr(DataSet, "image_path", lambda self, id: opened.append(id))
    (tiny_data / "lists/evil.txt").write_text(f"{id} 0\n", encoding="utf-8")
    with pytest.raises(InputError, match="evil.txt line 1: expected an id"):
        DataSet(tiny_data).split("evil")
    with pytest.raises(InputError, match="evil.txt line 1: expected one id a line"):
        (tiny_data / "lists/evil.txt").write_text(f"{id}\n", encoding="utf-8")
        prepare_voc12.read_ids(tiny_data / "lists/evil.txt")
    for path in (tiny_data / "lists").glob("[tv]*.txt"):
        path.unlink()
    assert not check.check(tiny_data, 1)
    assert "lines that cannot be used: 1" in capsys.readouterr().out and not opened


@pytest.mark.parametrize("name", ["../lists/train", "/etc/passwd", "", ".", "..", "a/b", "a\0b", "-x"])
def test_no_split_is_a_path(tiny_data, name):
    with pytest.raises(InputError, match="--split: expected the name of a list"):
        DataSet(tiny_data).split(name)


# Images and XML

READERS = {0: [images.read_rgb, images.read_grey, images.image_size], 3: [images.read_rgb, images.read_indexed]}


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [8193, 10000, 60000])
@pytest.mark.parametrize("colour, read", [(colour, read) for colour, readers in READERS.items() for read in readers])
def test_a_decompression_bomb_is_refused_before_a_pixel_is_decoded(tmp_path, monkeypatch, side, colour, read):
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: pytest.fail("decoded"))
    bomb(tmp_path / "a.png", side, colour)
    assert (tmp_path / "a.png").stat().st_size < 200
    with pytest.raises(InputError, match="a.png: expected at most 67108864 pixels") as error:
        read(tmp_path / "a.png")
    assert len(str(error.value).splitlines()) == 1


def test_the_largest_image_that_is_allowed_is_opened(tmp_path):
    bomb(tmp_path / "a.png", 8192)
    assert images.image_size(tmp_path / "a.png") == (8192, 8192)


LAUGHS = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 10))
OBJECT = "<annotation><object><name>{}</name></object></annotation>"
XMLS = {
    "a billion laughs": f'<!DOCTYPE a [<!ENTITY a0 "ha">{LAUGHS}]>{OBJECT.format("&a9;")}',
    "quadratic": f'<!DOCTYPE a [<!ENTITY a0 "{"ha" * 50000}">]>{OBJECT.format("&a0;" * 50000)}',
    "a file": f'<!DOCTYPE a [<!ENTITY a0 SYSTEM "file:///etc/passwd">]>{OBJECT.format("&a0;")}',
    "deep": "<annotation>" + "<object>" * 200_000 + "</object>" * 200_000 + "</annotation>",
}


@pytest.mark.parametrize("kind", XMLS)
def test_xml_that_grows_is_refused(tmp_path, kind):
    (tmp_path / "a.xml").write_text(XMLS[kind])
    with pytest.raises(InputError, match="a.xml: expected") as error:
        prepare_voc12.objects_in_xml(tmp_path / "a.xml")
    assert len(str(error.value).splitlines()) == 1
