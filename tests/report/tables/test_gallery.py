"""report.tables.gallery: which images it chooses, and that each picture stands in its place."""

import numpy as np
import pytest

from common.files.dataset import DataSet
from common.files.images import read_indexed, write_indexed
from report.tables.gallery import choose, columns, draw


@pytest.fixture
def tiny_run(tiny_data, tmp_path):
    """A run on tiny_data. The three label folders hold 1, 2 and 255 all over. The predictions are the truth, but pred1
    of c_complex and of the simple images and pred2 of d_complex are all background: c and the simple gain, d loses.
    """
    whole = {"label_initial": 1, "label_pseudo": 2, "label_masked": 255}
    empty = {"pred1": ("a_simple", "b_simple", "c_complex"), "pred2": ("d_complex",)}
    for folder in (*whole, *empty):
        (tmp_path / "run" / folder).mkdir(parents=True)
        for path in (tiny_data / "SegmentationClass").iterdir():
            label = read_indexed(path)
            if folder in whole:
                label = np.full_like(label, whole[folder])
            elif path.stem in empty[folder]:
                label = np.zeros_like(label)
            write_indexed(tmp_path / "run" / folder / path.name, label)
    return tmp_path / "run"


@pytest.fixture
def gallery(run_command, tiny_data, tiny_run, tmp_path):
    """`gallery(*args)` runs report.tables.gallery on tiny_run's train split; the figure is tmp_path / "figure.png"."""

    def run(*args, split="train"):
        places = ("--data", tiny_data, "--split", split, "--run", tiny_run, "--out", tmp_path / "figure.png")
        return run_command("report.tables.gallery", *places, *args)

    return run


def background_share(tiny_data, id):
    label = read_indexed(tiny_data / "SegmentationClass" / f"{id}.png")
    return (label == 0).sum() / (label != 255).sum()


def ids(rows):
    return " ".join(id for id, _ in rows)


def test_choice_is_the_ends_in_order():
    gains = {"a": 5, "b": -30, "c": 20, "d": 0, "e": 40, "f": -10, "g": -50}
    scored = [(id, [50.0, 50.0 + gain]) for id, gain in gains.items()]
    assert ids(choose(scored, 4)) == "e c b g"
    assert ids(choose(scored, 2)) == "e g"
    assert ids(choose(scored, 8)) == "e c a d f b g"
    assert ids(choose(scored[:3], 4)) == "c a b"  # an odd number of them all
    assert choose(scored, 2)[1] == ("g", [50.0, 0.0])


def test_choice_of_ties_is_by_the_list():
    starts = {id: 0.1 * position for position, id in enumerate("hgfedcba")}
    scored = [(id, [start, 7.0, start + 0.3]) for id, start in starts.items()]  # last bits differ
    assert ids(choose(scored, 4)) == "h g f e"
    assert ids(choose([("x", [0.0, 9.0]), *scored, ("y", [9.0, 0.0])], 4)) == "x h g y"


def test_every_picture_stands_in_its_place_with_its_texts():
    colours = {"$first$": (200, 0, 0), "second": (0, 0, 200)}
    columns = {
        title: lambda id, colour=colour: np.full((*sizes[id], 3), colour, np.uint8) for title, colour in colours.items()
    }
    sizes = {"wide": (96, 128), "tall": (128, 96), "flat": (10, 128)}
    figure = draw([(f"text {id}", id) for id in sizes], columns, {("tall", "second"): "5.0"}, ["a", "$b$"], "a note")
    cells = dict(zip(((id, title) for id in sizes for title in colours), figure.axes, strict=True))
    for (id, title), axis in cells.items():
        assert np.array_equal(axis.images[0].get_array(), columns[title](id))
        assert axis.get_title() == (title if id == "wide" else "")
        assert axis.get_xlabel() == ("5.0" if (id, title) == ("tall", "second") else "")
        assert axis.get_ylabel() == (f"text {id}" if title == "$first$" else "")
    (shown,) = figure.legends
    assert [text.get_text() for text in shown.get_texts()] == ["background", "a", "$b$", "ignored"]
    assert shown.get_patches()[1].get_facecolor()[:3] == (128 / 255, 0, 0) and shown.get_title().get_text() == "a note"


def test_command_prints_and_draws_the_complex_images(gallery, tiny_data, tmp_path):
    result = gallery()
    assert result.returncode == 0, result.stderr
    c, d = (100 * background_share(tiny_data, id) / classes for id, classes in (("c_complex", 3), ("d_complex", 4)))
    assert result.stdout.splitlines() == [f"c_complex {c:.1f} → 100.0", f"d_complex 100.0 → {d:.1f}"]
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_columns_are_the_labels_that_are_there(tiny_data, tiny_run):
    own = ["initial label", "pseudo label", "initial prediction", "masked label", "final prediction"]
    assert list(columns(DataSet(tiny_data), tiny_run)) == ["image", "ground truth", "saliency", *own]
    (tiny_run / "label_pseudo").rename(tiny_run / "label_otsu")
    for name in ("label_edges", "label_masked_kernel5"):  # a rule, a variant
        (tiny_run / name).mkdir()
    assert list(columns(DataSet(tiny_data), tiny_run))[3:] == [own[0], *own[2:], "label_edges", "label_otsu"]


def assert_refused(result, expected, tmp_path):
    assert result.returncode == 2, result.stderr
    assert expected in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr
    assert not (tmp_path / "figure.png").exists()


def test_leaves_out_an_image_without_truth(gallery, tiny_data):
    path = tiny_data / "SegmentationClass" / "d_complex.png"
    write_indexed(path, np.full_like(read_indexed(path), 255))
    assert [line.split()[0] for line in gallery().stdout.splitlines()] == ["c_complex"]


def test_refuses_missing_folders_and_files(gallery, tiny_run, tmp_path):
    assert_refused(gallery("--out", tmp_path / "none" / "figure.png"), "none: no such folder", tmp_path)
    (tiny_run / "label_masked" / "d_complex.png").unlink()
    assert_refused(gallery(), "label_masked/d_complex.png: no such file", tmp_path)
    (tiny_run / "pred1").rename(tiny_run / "pred7")
    assert_refused(gallery(), "pred1: no such folder", tmp_path)
