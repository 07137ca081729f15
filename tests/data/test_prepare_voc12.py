"""data.prepare_voc12 on a tiny devkit in the real format."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from common.files.dataset import DataSet
from common.files.images import write_indexed
from data import prepare_voc12
from stages.files import InputError
from tests import damage


@pytest.fixture
def prepare(tiny_devkit, tmp_path):
    """Runs the stage in this process, with every argument set; returns the folder it wrote."""

    def run(*more):
        out = tmp_path / "voc12"
        arguments = ["--devkit", tiny_devkit, "--saliency", tmp_path / "saliency_aug", "--out", out, *more]
        out.mkdir(exist_ok=True)
        prepare_voc12.run(prepare_voc12.build_parser().parse_args(list(map(str, arguments))))
        return out

    return run


def lines(out, split):
    return (out / "lists" / f"{split}.txt").read_text().splitlines()


def snapshot(folder):
    return {path: path.lstat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_command_end_to_end_from_any_folder_and_with_force(run_command, tiny_devkit, tmp_path):
    before = snapshot(tiny_devkit)
    root = Path(prepare_voc12.__file__).parents[1]
    devkit, saliency = (os.path.relpath(path, root) for path in (tiny_devkit, tmp_path / "saliency_aug"))
    arguments = ["--devkit", devkit, "--saliency", saliency, "--sbd", tmp_path / "sbd", "--out", tmp_path / "out"]
    for more in ([], ["--force"]):
        result = run_command("data.prepare_voc12", *arguments, *more)
        assert (result.returncode, result.stderr) == (0, "")
        assert "train 2, val 1, train_aug 4 images" in result.stdout
    assert "nothing to do" in run_command("data.prepare_voc12", *arguments).stdout
    assert snapshot(tiny_devkit) == before  # read only, even by --force, which deletes the links' folder

    data = DataSet(tmp_path / "out")
    assert data.classes[0] == "aeroplane" and data.classes[14] == "person" and data.classes[19] == "tvmonitor"
    assert len(data.classes) == 20
    assert (data.root / "JPEGImages").is_symlink() and (data.root / "saliency").is_symlink()
    for item in data.split("train_aug", labelled=True):
        assert data.saliency(item.id).shape == data.image(item.id).shape[:2]
    assert [sorted({*np.unique(data.ground_truth(item.id))}) for item in data.split("val")] == [[0, 20, 255]]


def test_lists_and_labels(prepare, tmp_path):
    out = prepare("--sbd", str(tmp_path / "sbd"))
    assert lines(out, "train") == ["2007_000001 11", "2007_000002 8 14"]  # the difficult chair counts, a head not
    assert lines(out, "val") == ["2007_000003 19"]
    # SBD's train.txt names the VOC validation image 2007_000003; it must not be trained on
    assert lines(out, "train_aug") == ["2007_000001 11", "2007_000002 8 14", "2008_000004 11 16", "2008_000005 0"]
    assert not (out / "lists" / "test.txt").exists()


def put_objects(devkit):
    shutil.copytree(devkit / "SegmentationClass", devkit / "SegmentationObject")
    write_indexed(devkit / "SegmentationObject/2007_000001.png", np.ones((30, 40), np.uint8))


def test_instances_lead_to_the_devkit_if_it_has_some(prepare, tiny_devkit, capsys):
    out = prepare()
    assert not (out / "InstanceMasks").exists()
    assert "SegmentationObject: no such folder; instances cannot be scored" in capsys.readouterr().out
    put_objects(tiny_devkit)
    assert (prepare() / "InstanceMasks").is_symlink()
    assert (DataSet(out).instances("2007_000001") == 1).all() and "no such folder" not in capsys.readouterr().out


def test_goes_over_what_an_interrupted_run_left(prepare, tmp_path):
    (tmp_path / "voc12").mkdir()
    (tmp_path / "voc12" / "saliency").symlink_to("elsewhere")
    assert (prepare() / "saliency" / "2007_000001.png").exists()
    prepare()


@pytest.mark.parametrize("inside", ["dataset", "benchmark_RELEASE/dataset"])
def test_sbd_as_the_official_archive_holds_it(prepare, tmp_path, inside):
    (tmp_path / "archive" / inside).parent.mkdir(parents=True)
    shutil.move(tmp_path / "sbd", tmp_path / "archive" / inside)
    assert len(lines(prepare("--sbd", str(tmp_path / "archive")), "train_aug")) == 4


def test_test_split_has_ids_alone(prepare, tiny_devkit):
    test_list = tiny_devkit / "ImageSets/Segmentation/test.txt"
    test_list.write_text("2008_000005\n2008_000004\n")
    (tiny_devkit / "Annotations/2008_000005.xml").unlink()  # test images have none
    assert lines(prepare(), "test") == ["2008_000005", "2008_000004"]


def test_test_list_without_images_is_passed_over_but_not_one_with_some(prepare, tiny_devkit, capsys):
    test_list = tiny_devkit / "ImageSets/Segmentation/test.txt"
    test_list.write_text("2008_999998\n2008_999999\n")
    assert not (prepare() / "lists" / "test.txt").exists()
    assert "skipped" in capsys.readouterr().out
    test_list.write_text("2008_000004\n2008_999999\n")
    with pytest.raises(InputError, match="1 of 5 images.*2008_999999.jpg"):
        prepare()


def test_counts_stand_beside_the_published_ones(prepare, tmp_path, capsys):
    prepare("--sbd", str(tmp_path / "sbd"))
    table = {row.split()[0]: row.split()[1:] for row in capsys.readouterr().out.splitlines()}
    assert table["images"] == ["2", "1", "1449", "4", "10582"]
    assert table["simple"] == ["1", "1", "-", "2", "6746"]
    assert table["complex"] == ["1", "0", "-", "2", "3836"]
    assert table["dog"] == ["1", "0", "-", "2", "1177"]
    assert sum(prepare_voc12.PUBLISHED["train_aug"][1:3]) == prepare_voc12.PUBLISHED["train_aug"][0]


VOC = "VOCdevkit/VOC2012"
FAULTS = [  # (what is done to which file, message)
    (
        ("image", "saliency_aug/2007_000001.png", "RGB", (40, 30)),
        "2007_000001.png: expected an 8-bit grey image",
    ),
    (("folder", "saliency_aug"), "4 of 4 saliency.*2007_000001.png.*2008_000004.png.*and 1 more"),
    (("remove", f"{VOC}/JPEGImages/2007_000003.jpg"), "1 of 5 images.*2007_000003.jpg: no such file"),
    (("image", f"{VOC}/SegmentationClass/2007_000002.png", "L"), "2007_000002.png: expected an indexed .*mode L"),
    (
        ("write", f"{VOC}/ImageSets/Segmentation/train.txt", "2007_000003\n"),
        "2007_000003 stands in train.txt too",
    ),
    (
        ("remove", f"{VOC}/SegmentationObject/2007_000002.png"),
        "1 of 3 ground truth.*2007_000002.png: no such file",
    ),
    (("label", f"{VOC}/SegmentationObject/2007_000002.png", 0, (40, 31)), "expected .*size 30x40, found 31x40"),
]


@pytest.mark.parametrize("fault, message", FAULTS)
def test_a_fault_is_named_and_nothing_is_written(prepare, tiny_devkit, tmp_path, fault, message):
    put_objects(tiny_devkit)
    action, path, *more = fault
    getattr(damage, action)(tmp_path / path, *more)
    with pytest.raises(InputError, match=message) as error:
        prepare("--sbd", tmp_path / "sbd")
    assert "\n" not in str(error.value) and not list((tmp_path / "voc12").iterdir())


def test_saliency_of_the_validation_images_is_not_needed(prepare, tmp_path):
    (tmp_path / "saliency_aug/2007_000003.png").unlink()
    assert lines(prepare("--sbd", str(tmp_path / "sbd")), "val") == ["2007_000003 19"]
