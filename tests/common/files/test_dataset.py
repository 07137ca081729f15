"""common.files.dataset: what a data set folder may hold and what a stage reads of it; its faults: test_bad_files.py."""

import shutil
from argparse import Namespace

import numpy as np
import pytest

from common.files.dataset import DataSet, reads
from common.files.images import write_indexed
from stages.files import InputError
from stages.fingerprints import fingerprint


def write_list(root, text, name="train"):
    (root / "lists" / f"{name}.txt").write_text(text)


def test_reads_what_is_there(tiny_data):
    data = DataSet(tiny_data)
    assert data.classes == ["disc", "square", "bar"]
    train = data.split("train", labelled=True)
    assert [(item.id, item.classes) for item in train] == [
        ("a_simple", (0,)), ("b_simple", (2,)), ("c_complex", (0, 1)), ("d_complex", (0, 1, 2))]  # fmt: skip
    image, saliency, label = data.image("b_simple"), data.saliency("b_simple"), data.ground_truth("b_simple")
    assert image.shape == (64, 48, 3) and saliency.shape == label.shape == data.image_size("b_simple") == (64, 48)
    assert image.dtype == saliency.dtype == label.dtype == np.uint8
    assert set(np.unique(label)) == {0, 3, 255}  # the mask counts background as 0, the list does not count it


def test_test_split_has_ids_alone(tiny_data):
    assert DataSet(tiny_data).split("test") == [("c_complex", ())]
    with pytest.raises(InputError, match="test.txt line 1: expected at least one class of c_complex"):
        DataSet(tiny_data).split("test", labelled=True)


def test_classes_are_sorted_and_order_and_spacing_of_the_list_kept(tiny_data):
    write_list(tiny_data, "d_complex  2 0\t2\r\n\na_simple 0\n")
    assert DataSet(tiny_data).split("train") == [("d_complex", (0, 2)), ("a_simple", (0,))]


@pytest.mark.parametrize(("part", "folder"), [("context", "context"), ("instances", "InstanceMasks")])
def test_context_and_instances(tiny_data, part, folder):
    data, mask = DataSet(tiny_data), np.zeros((48, 64), np.uint8)
    path, read = tiny_data / folder / "a_simple.png", getattr(data, part)
    with pytest.raises(InputError, match="a_simple.png: no such file"):
        read("a_simple")
    path.parent.mkdir()
    mask[0, :3] = 1, 2, 3
    write_indexed(path, mask)
    assert np.array_equal(read("a_simple"), mask)
    write_indexed(path, mask[:-1])
    with pytest.raises(InputError, match="a_simple.png: expected the image's size 64x48, found 64x47"):
        read("a_simple")
    mask[5, 5] = 255
    write_indexed(path, mask)
    if part == "context":
        with pytest.raises(InputError, match="context/a_simple.png: expected values 0 to 3, found 255"):
            read("a_simple")
    else:
        assert read("a_simple")[5, 5] == 255


def selection(root, *parts):
    return reads(*parts)(Namespace(data=root, split="val"))["data"]


def test_a_stage_reads_the_list_the_classes_and_what_it_declares(tiny_data):
    always = ["classes.txt", "lists/val.txt"]
    images = [f"JPEGImages/{id}.jpg" for id in ("b_simple", "d_complex")]
    assert selection(tiny_data, "images").files == always + images
    both = selection(tiny_data, "images", "ground_truth")
    assert both.names == ["images", "ground_truth"]
    assert both.files == always + images + [f"SegmentationClass/{id}.png" for id in ("b_simple", "d_complex")]
    (tiny_data / "saliency/b_simple.png").unlink()
    assert selection(tiny_data, "saliency").files == [*always, "saliency/d_complex.png"]
    shutil.rmtree(tiny_data / "saliency")
    assert selection(tiny_data, "saliency").files == always


@pytest.mark.parametrize(("part", "folder"), [("context", "context"), ("instances", "InstanceMasks")])
def test_a_part_is_read_by_those_that_declare_it(tiny_data, part, folder):
    assert selection(tiny_data, part).files == ["classes.txt", "lists/val.txt"]
    (tiny_data / folder).mkdir()
    write_indexed(tiny_data / folder / "b_simple.png", np.zeros((64, 48), np.uint8))
    assert selection(tiny_data, part).files == ["classes.txt", "lists/val.txt", f"{folder}/b_simple.png"]
    assert f"{folder}/b_simple.png" not in selection(tiny_data, "images").files


def test_links_count_by_where_they_lead(tiny_data):
    image = tiny_data / "JPEGImages/b_simple.jpg"
    image.rename(tiny_data / "elsewhere.jpg")
    image.symlink_to("../elsewhere.jpg")
    assert DataSet(tiny_data).split("val")[0].id == "b_simple"
    image.unlink()
    image.symlink_to("nowhere.jpg")
    with pytest.raises(InputError, match="b_simple.jpg: no such file, but .*val.txt line 1"):
        DataSet(tiny_data).split("val")
    with pytest.raises(InputError, match="b_simple.jpg: no such file, but .*val.txt line 1"):
        selection(tiny_data, "ground_truth")  # nothing else would ask for the image


def test_a_stage_that_reads_images_notices_each_that_its_link_does_not_lead_to(tiny_data):
    (tiny_data / "JPEGImages/b_simple.jpg").unlink()
    (tiny_data / "JPEGImages/b_simple.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(InputError, match="--data .*: no such file or folder .*JPEGImages/b_simple.jpg"):
        fingerprint("--data", tiny_data, selection=selection(tiny_data, "images"))
