"""report.tables.gallery: which images it chooses, and that each picture stands in its place."""

import numpy as np
import pytest
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import VOC_PALETTE, read_indexed, write_indexed
from report.tables.gallery import CELL, FONT_SIZE, GAP, choose, columns, draw, with_legend

LEGEND = FONT_SIZE + 3 * GAP  # its height where the classes fit into one line


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
    return " ".join(id for id, *_ in rows)


def test_choice_is_the_ends_in_order():
    gains = {"a": 5, "b": -30, "c": 20, "d": 0, "e": 40, "f": -10, "g": -50}
    scored = [(id, 50.0, 50.0 + gain) for id, gain in gains.items()]
    assert ids(choose(scored, 4)) == "e c b g"
    assert ids(choose(scored, 2)) == "e g"
    assert ids(choose(scored, 8)) == "e c a d f b g"
    assert ids(choose(scored[:3], 4)) == "c a b"  # an odd number of them all
    assert choose(scored, 2)[1] == ("g", 50.0, 0.0)


def test_choice_of_ties_is_by_the_list():
    scored = [(id, 0.1 * position, 0.1 * position + 0.3) for position, id in enumerate("hgfedcba")]  # last bits differ
    assert ids(choose(scored, 4)) == "h g f e"
    assert ids(choose([("x", 0.0, 9.0), *scored, ("y", 9.0, 0.0)], 4)) == "x h g y"


def test_every_picture_stands_in_its_cell():
    colours = {"first": (200, 0, 0), "second": (0, 0, 200)}
    columns = {
        title: lambda id, colour=colour: np.full((*sizes[id], 3), colour, np.uint8) for title, colour in colours.items()
    }
    sizes = {"wide": (96, 128), "tall": (128, 96), "flat": (10, 128)}
    figure = np.asarray(draw([(f"{id}\ntext", id, size) for id, size in sizes.items()], columns)).astype(int)
    assert figure.shape[0] >= 3 * CELL[1]
    (red, blue) = ((figure == colour).all(2) for colour in colours.values())
    step = CELL[0] + GAP
    assert np.array_equal(red[:, :-step], blue[:, step:])  # a column apart
    assert blue.sum() == red.sum() == 256 * 192 + 144 * 192 + 256 * 20  # nothing cut off, nothing covered
    second = red.any(1).argmax() + CELL[1] + GAP
    tall = red[second : second + CELL[1]].any(0).nonzero()[0]
    assert tall[0] - red.any(0).argmax() == (256 - 144) // 2  # in the middle of its cell
    assert (figure[:, : red.any(0).argmax()].min((1, 2)) < 128).any()  # text on the left
    assert (figure[: red.any(1).argmax()] < 128).any()  # and the titles


def test_legend_shows_each_colour_once_below_the_figure():
    names = [f"a class of number {number}" for number in range(30)]
    figure = Image.new("RGB", (900, 50), "red")
    whole = np.asarray(with_legend(figure, names, "words " * 60))
    assert whole.shape[1] == 900 and np.array_equal(whole[:50], np.asarray(figure))
    below = whole[50:]
    for value in (*range(31), 255):
        colour = VOC_PALETTE[3 * value : 3 * value + 3]
        found, square = (below == colour).all(2).sum(), (FONT_SIZE - 1) ** 2  # without its outline
        assert found == square or len(set(colour)) == 1 and found > square, value  # text and outline are grey, too
    plain = np.asarray(with_legend(figure, names))
    assert len(whole) > len(plain) + 2 * FONT_SIZE and np.array_equal(whole[: len(plain)], plain)
    assert (below[-LEGEND:] < 128).any() and (below[:, -GAP:] == 255).all()  # the note, all of it in the figure


def test_command_prints_and_draws_the_complex_images(gallery, tiny_data, tmp_path):
    result = gallery()
    assert result.returncode == 0, result.stderr
    c, d = (100 * background_share(tiny_data, id) / classes for id, classes in (("c_complex", 3), ("d_complex", 4)))
    assert result.stdout.splitlines() == [f"c_complex {c:.1f} → 100.0", f"d_complex 100.0 → {d:.1f}"]


def test_command_draws_the_columns_in_order(gallery, tiny_data, tmp_path):
    assert gallery().returncode == 0
    figure = np.asarray(Image.open(tmp_path / "figure.png"))
    step = np.array(CELL) + GAP
    left, top = figure.shape[1] - 8 * step[0], figure.shape[0] - 2 * step[1] - LEGEND
    cells = [
        [figure[y:, x:][: CELL[1], : CELL[0]] for x in left + step[0] * np.arange(8)] for y in (top, top + step[1])
    ]
    palette = np.array(VOC_PALETTE, np.uint8).reshape(256, 3)
    data = DataSet(tiny_data)
    truth, background = palette[data.ground_truth("c_complex")], np.zeros((48, 64, 3), np.uint8)
    saliency = data.saliency("c_complex")[..., None] + background
    labels = [background + palette[value] for value in (1, 2, 255)]
    expected = [data.image("c_complex"), truth, saliency, *labels[:2], background, labels[2], truth]
    for column, (cell, picture) in enumerate(zip(cells[0], expected)):  # c_complex, enlarged four times
        difference = np.abs(cell.astype(int) - picture.repeat(4, axis=0).repeat(4, axis=1)).max()
        assert difference <= (3 if column == 0 else 0), column  # the photograph lacks two bits
    # class 3 is in d_complex alone, and pred2 misses it
    assert [bool((cell == palette[3]).all(2).any()) for cell in cells[1]] == [i in (1, 5) for i in range(8)]


def pictures(tiny_data, tiny_run):
    return list(columns(DataSet(tiny_data), tiny_run, "pred1", "pred2"))


def test_columns_are_the_labels_that_are_there(tiny_data, tiny_run):
    own = ["initial label", "pseudo label", "initial prediction", "masked label", "final prediction"]
    assert pictures(tiny_data, tiny_run) == ["image", "ground truth", "saliency", *own]
    (tiny_run / "label_pseudo").rename(tiny_run / "label_otsu")
    for name in ("label_edges", "label_masked_kernel5"):  # a rule, a variant
        (tiny_run / name).mkdir()
    assert pictures(tiny_data, tiny_run)[3:] == [own[0], *own[2:], "label_edges", "label_otsu"]


def assert_refused(result, expected, tmp_path):
    assert result.returncode == 2, result.stderr
    assert expected in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr
    assert not (tmp_path / "figure.png").exists()


def test_leaves_out_an_image_without_truth(gallery, tiny_data):
    path = tiny_data / "SegmentationClass" / "d_complex.png"
    write_indexed(path, np.full_like(read_indexed(path), 255))
    assert [line.split()[0] for line in gallery().stdout.splitlines()] == ["c_complex"]


def test_refuses_missing_folders_and_files(gallery, tiny_run, tmp_path):
    assert_refused(gallery("--before", "pred7"), "pred7: no such folder", tmp_path)
    assert_refused(gallery("--out", tmp_path / "none" / "figure.png"), "none: no such folder", tmp_path)
    (tiny_run / "label_masked" / "d_complex.png").unlink()
    assert_refused(gallery(), "label_masked/d_complex.png: no such file", tmp_path)
