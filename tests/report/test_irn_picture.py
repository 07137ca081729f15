"""report.irn_picture: which images it chooses, what the colours say, and that each picture stands in its place."""

import numpy as np
import pytest
import torch
from PIL import Image

from common import checkpoint
from common.dataset import DataSet
from common.images import write_indexed
from common.instances import write_instances
from irn.model import build
from irn.network import at_image_size
from report.irn_picture import (
    WHEEL,
    choose,
    displacement_colours,
    instance_colours,
    main,
    numbered,
    parser,
    run_network,
    text_of,
)
from report.tables.gallery import GAP, fitted
from stages.files import InputError

SCORES = {"a_simple": [0.9], "b_simple": [0.9, 0.8, 0.7], "c_complex": [0.9, 0], "d_complex": [1]}
TINY = {"backbone": "vgg16", "branch_width": 4, "crop_size": 48, "channels": [4] * 5, "depths": [1] * 5}


@pytest.fixture
def run(tiny_data, tmp_path):
    """A run on tiny_data: instances of SCORES, upright stripes of class 1, and a network at random."""
    dataset = DataSet(tiny_data)
    (tmp_path / "run/instances").mkdir(parents=True)
    for id, scores in SCORES.items():
        masks = np.zeros((len(scores), *dataset.image_size(id)), bool)
        for number, mask in enumerate(masks):
            mask[8:30, 4 + 12 * number : 14 + 12 * number] = True
        write_instances(tmp_path / "run/instances", id, masks, [1] * len(scores), scores)
    torch.manual_seed(0)
    network = build(**TINY)
    torch.nn.init.normal_(network.displacement_head.weight)
    (tmp_path / "run/irn").mkdir()
    checkpoint.save(tmp_path / "run/irn/weights.pth", arch=network.arch.to_file(), state_dict=network.state_dict())
    return tmp_path / "run"


def ids(chosen):
    return " ".join(each.item.id for each in chosen)


def test_the_most_instances_of_complex_images_come_first(tiny_data, run):
    dataset = DataSet(tiny_data)
    chosen = choose(dataset, "train", run / "instances", 4)
    assert ids(chosen) == "b_simple c_complex d_complex"  # a has one class and one instance; ties by the list
    assert ids(choose(dataset, "train", run / "instances", 2)) == "b_simple c_complex"
    assert [len(each.entries) for each in chosen] == [3, 1, 1] and set(np.unique(chosen[1].numbers)) == {0, 1}
    assert text_of(dataset.classes, chosen[0]) == "b_simple\n1 square 0.90\n2 square 0.80\n3 square 0.70"
    (tiny_data / "lists/train.txt").write_text("a_simple 0\n")
    with pytest.raises(InputError, match="train.txt: expected an image of two or more classes or instances"):
        choose(dataset, "train", run / "instances", 4)


def test_hue_is_the_direction_and_saturation_the_length():
    down, right = np.array([[0, 0, 2, 0, -2, 0, 9]]), np.array([[0, 2, 0, -2, 0, 1, 0]])
    colours = displacement_colours(np.stack([down, right]).astype(np.float32), 2)[0].tolist()
    assert colours[0] == [255, 255, 255] and colours[1] == [255, 0, 0] and colours[3] == [0, 255, 255]
    assert colours[2] == [128, 255, 0] and colours[4] == [128, 0, 255]
    assert colours[5] == [255, 128, 128] and colours[6] == colours[2]
    assert (displacement_colours(np.zeros((2, 3, 3), np.float32), 0) == 255).all()


def test_instances_have_a_colour_each():
    image = np.full((2, 3, 3), 100, np.uint8)
    picture = instance_colours(np.array([[0, 1, 2], [255, 1, 12]], np.uint8), image)
    assert (picture[0, 0] == 40).all() and (picture[1, 0] > 200).all()
    assert (picture[0, 1] == picture[1, 1]).all() and (picture[0, 1] != picture[0, 2]).any()
    assert (picture[0, 2] == picture[1, 2]).all()  # the eleventh has the first one's again


def test_the_number_stands_on_its_instance():
    numbers = np.zeros((48, 64), np.uint8)
    numbers[10:40, 40:60] = 7
    plain = np.zeros((48, 64, 3), np.uint8)
    picture = numbered(plain, numbers)
    assert picture.shape == (192, 256, 3)
    rows, columns = picture.any(2).nonzero()
    assert rows.min() > 40 and rows.max() < 160 and columns.min() > 160 and columns.max() < 240


def test_maps_lie_on_the_image():
    map_ = np.zeros((12, 17), np.float32)
    map_[3, 5] = 1
    (large,) = at_image_size(map_[None], (46, 65))
    assert large.shape == (46, 65)
    rows, columns = (large > 0.6).nonzero()
    assert rows.mean() == pytest.approx(13.5) and columns.mean() == pytest.approx(21.5)  # the middle of 4x4 pixels


@pytest.mark.parametrize("instance_masks", [False, True])
def test_the_figure(tiny_data, run, tmp_path, capsys, instance_masks):
    dataset, out = DataSet(tiny_data), tmp_path / "figure.png"
    if instance_masks:
        (tiny_data / "InstanceMasks").mkdir()
        for id in SCORES:
            write_indexed(dataset.instances_path(id), np.full(dataset.image_size(id), 3, np.uint8))
    options = ["--data", tiny_data, "--split", "train", "--run", run, "--out", out, "--count", 2, "--device", "cpu"]
    main(parser().parse_args(list(map(str, options))))
    assert capsys.readouterr().out == "b_simple, instances: 3\nc_complex, instances: 1\n"

    items = [item for item in dataset.split("train") if item.id in ("b_simple", "c_complex")]
    fields = run_network(dataset, items, run / "irn/weights.pth", "cpu")
    figure = np.asarray(Image.open(out))
    shown = 5 if instance_masks else 4
    left = figure.shape[1] - shown * (256 + GAP)
    bottom = figure.shape[0] - WHEEL - 2 * GAP
    for row, id in enumerate(("b_simple", "c_complex")):
        width, height = fitted(dataset.image_size(id))
        x, y = left + (256 - width) // 2, bottom - (2 - row) * (192 + GAP) + (192 - height) // 2
        boundary = figure[y : y + height, x + 256 + GAP :][:, :width]
        expected = np.rint(255 * fields[id].boundary).astype(np.uint8)
        expected = Image.fromarray(expected).resize((width, height), Image.Resampling.NEAREST)
        np.testing.assert_array_equal(boundary, np.asarray(expected)[..., None].repeat(3, 2))
        assert fields[id].boundary.std() > 0 and fields[id].displacement.shape == (2, *dataset.image_size(id))
        if instance_masks:
            truth = figure[y : y + height, x + 4 * (256 + GAP) :][:, :width]
            expected = instance_colours(dataset.instances(id), dataset.image(id))
            assert (truth[0, 0] == expected[0, 0]).all() and (truth[-1, -1] == expected[-1, -1]).all()


def test_other_files_are_told_apart(tiny_data, run, tmp_path):
    def refused(*more):
        options = ["--data", tiny_data, "--split", "train", "--run", run, "--out", tmp_path / "figure.png", *more]
        with pytest.raises(InputError) as error:
            main(parser().parse_args(list(map(str, [*options, "--device", "cpu"]))))
        assert not (tmp_path / "figure.png").exists()
        return str(error.value)

    assert "none: cannot be read" in refused("--weights", tmp_path / "none")
    assert "a_simple.json: cannot be read" in refused("--instances", tmp_path / "none")
    assert "expected a file outside of" in refused("--out", run / "instances/a.png")
    checkpoint.save(tmp_path / "cls.pth", arch={"network": "classifier"}, state_dict={})
    assert "cls.pth: expected weights of irn.train" in refused("--weights", tmp_path / "cls.pth")
