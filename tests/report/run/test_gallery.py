"""report.run.gallery: which images a gallery shows, their pictures, pages and scores, and damaged ones."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from common.files.dataset import DataSet, Item
from common.files.images import VOC_COLOURS, read_indexed, write_grey, write_indexed
from report.run.choice import choose, extremes
from report.run.gallery import write_data, write_gallery
from report.run.reading import read_scored
from tests.report.runs import put, record, score

IDS = ["a_simple", "b_simple", "c_complex", "d_complex"]
HOSTILE = "</script><script>alert(1)</script>"


def put_record(folder, command, data, split):
    put(folder / "stage.json", record(command, arguments={"data": str(data), "split": split}))


@pytest.fixture
def run(tiny_data, tmp_path, capsys):
    """A run on tiny_data: CAMs; initial labels, the truth without its first class; a further rule's, all 255; and
    predictions of val, the truth; all scored."""
    run = tmp_path / "run"
    for folder in ("cam", "label_initial", "label_own rule #1", "pred1_val"):
        put_record(run / folder, "pseudo.background", tiny_data, "val" if folder == "pred1_val" else "train")
    for id, *classes in map(str.split, (tiny_data / "lists/train.txt").read_text().splitlines()):
        truth = read_indexed(tiny_data / "SegmentationClass" / f"{id}.png")
        for cls in map(int, classes):
            write_grey(run / "cam" / f"{id}_{cls}.png", np.uint8(255 * (truth[::8, ::8] == cls + 1)))
        write_indexed(run / "label_initial" / f"{id}.png", np.where(truth == 1, 0, truth % 255).astype(np.uint8))
        write_indexed(run / "label_own rule #1" / f"{id}.png", np.full_like(truth, 255))
        if id in ("b_simple", "d_complex"):
            write_indexed(run / "pred1_val" / f"{id}.png", truth % 255)
    score(run, tiny_data, "cam", "train", "--map-thresholds", "0.3", "0.6")
    for folder, split in (("label_initial", "train"), ("label_own rule #1", "train"), ("pred1_val", "val")):
        score(run, tiny_data, folder, split)
    return run


@pytest.fixture
def gallery(tiny_data, run, tmp_path):
    """`gallery(count)` writes the gallery of the run: (folder, what it returns, what is in data.js)."""

    def gallery(count=100):
        out = tmp_path / "report"
        out.mkdir()
        found = write_gallery(out, DataSet(tiny_data), run, read_scored(run), count, workers=1)
        text = (out / "files/data.js").read_text()
        return out, found, json.loads(text.removeprefix("const REPORT = ").removesuffix(";\n"))

    return gallery


def page(out, id):
    return (out / "images/train" / f"{id}.html").read_text()


def layers(data, split="train"):
    return {layer["key"]: layer for each in data["splits"] if each["name"] == split for layer in each["layers"]}


def items(data, split="train"):
    return {item["id"]: item for each in data["splits"] if each["name"] == split for item in each["items"]}


def rgba(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


def test_each_image_has_its_page_and_pictures(gallery):
    out, found, data = gallery()
    assert found == {"shown": {"train": 4, "val": 2}, "images": {"train": 4, "val": 2}}
    keys = ["ground_truth", "saliency", "cam/maps", "cam", "label_initial", "label_own rule #1"]
    assert list(layers(data)) == keys
    assert list(layers(data, "val")) == [key for key in keys if key != "cam"] + ["pred1_val"]  # CAMs scored on train
    for split, ids in (("train", IDS), ("val", ["b_simple", "d_complex"])):
        assert sorted(path.stem for path in (out / "images" / split).iterdir()) == ids
        for folder in ("thumbnail", *(layer["folder"] for layer in layers(data, split).values())):
            pictures = (out / "files/pictures" / split / folder).iterdir()
            assert {re.sub(r"_\d$", "", path.stem) for path in pictures} == set(ids), folder
    assert items(data)["d_complex"]["size"] == [56, 40] and items(data)["d_complex"]["classes"] == [0, 1, 2]


def test_pictures_are_what_the_folders_hold(gallery, tiny_data, run):
    out, _, data = gallery()
    pictures = {key: out / "files/pictures/train" / layer["folder"] for key, layer in layers(data).items()}
    for key, folder in (("ground_truth", tiny_data / "SegmentationClass"), ("label_initial", run / "label_initial")):
        label, found = read_indexed(folder / "d_complex.png"), rgba(pictures[key] / "d_complex.png")
        assert (found[..., :3] == VOC_COLOURS[label]).all() and ((found[..., 3] > 0) == (label > 0)).all()
    alpha = rgba(pictures["cam/maps"] / "d_complex_2.png")[..., 3]  # at the network's resolution
    truth = read_indexed(tiny_data / "SegmentationClass/d_complex.png")
    assert alpha.shape == (5, 7) and ((alpha > 0) == (truth[::8, ::8] == 3)).all()
    found = rgba(pictures["cam"] / "c_complex.png")  # the label that the maps were scored as
    colours = {tuple(colour) for colour in found[found[..., 3] > 0][:, :3].tolist()}
    assert colours == {(128, 0, 0), (0, 128, 0)}
    threshold = json.loads((run / "scores/cam/scores.json").read_text())["threshold"]
    assert layers(data)["cam"]["title"] == f"CAM, threshold {threshold}"


def test_scores_are_those_of_seg_evaluate(gallery, run):
    out, _, data = gallery()
    place = list(layers(data)).index("label_initial")
    for line in map(json.loads, (run / "scores/label_initial/images.jsonl").read_text().splitlines()):
        assert items(data)[line["id"]]["scores"][place] == line["mean_iou"]
        text = page(out, line["id"]).partition("Scores of this image")[2]
        assert all(f">{value:.1f}</td>" in text for value in [line["mean_iou"], *line["class_iou"].values()])
    assert items(data)["a_simple"]["scores"][0] is None  # the ground truth has no score


def test_fewer_images_than_the_split_has(gallery):
    out, found, data = gallery(count=3)
    assert found["shown"] == {"train": 3, "val": 2} and found["images"] == {"train": 4, "val": 2}
    assert len(list((out / "images/train").iterdir())) == len(items(data)) == 3
    assert "3 of 4 images" in (out / "gallery.html").read_text()


@pytest.mark.parametrize("damage", ["missing", "cut", "wrong size", "a class too many"])
def test_a_label_that_cannot_be_shown_is_left_out_and_noted(gallery, run, damage):
    path = run / "label_initial/c_complex.png"
    label, content = read_indexed(path), path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(content[:-30])
    elif damage == "wrong size":
        write_indexed(path, label[:-1])
    elif damage == "a class too many":
        write_indexed(path, label + 3)
    out, _, data = gallery()
    assert "initial label (BE): label_initial/c_complex.png: " in page(out, "c_complex")
    assert "Left out" not in page(out, "a_simple")
    assert layers(data)["label_initial"]["folder"] not in page(out, "c_complex")


def test_a_map_or_a_photograph_that_cannot_be_shown_is_noted(gallery, tiny_data, run):
    (run / "cam/c_complex_1.png").unlink()
    photograph = tiny_data / "JPEGImages/d_complex.jpg"
    photograph.write_bytes(photograph.read_bytes()[:200])
    out, _, _ = gallery()
    assert "CAM: square: cam/c_complex_1.png: no such file" in page(out, "c_complex")
    assert "photograph: " in page(out, "d_complex")
    assert (out / "files/pictures/train/photograph/d_complex.jpg").exists()


def test_class_names_are_text(gallery, tiny_data):
    (tiny_data / "classes.txt").write_text(f"{HOSTILE}\n\"quoted\" & 'so' <b>\nbar\n")
    out, _, data = gallery()
    assert data["classes"][0] == HOSTILE
    for path in [out / "gallery.html", *out.glob("images/*/*.html")]:
        assert "<script>alert" not in path.read_text() and "<b>" not in path.read_text()
    assert "&lt;/script&gt;" in page(out, "a_simple")


def test_data_cannot_end_the_script(tmp_path):
    content = {"classes": [HOSTILE, "<!--", "a\u2028b\u2029c", 'quote " and \\']}
    write_data(tmp_path / "data.js", content)
    text = (tmp_path / "data.js").read_text()
    assert not set("<\u2028\u2029") & set(text) and text.count("\n") == 1
    assert json.loads(text.removeprefix("const REPORT = ").removesuffix(";\n")) == content


def test_a_run_without_scores_shows_what_its_records_name(gallery, tiny_data, run):
    shutil.rmtree(run / "scores")
    put_record(run / "pred1_val", "seg.predict", tiny_data, "val")
    put_record(run / "seg1", "seg.train", tiny_data, "test")  # makes no labels
    put_record(run / "pred3", "seg.predict", tiny_data, "gone")  # whose list is no more
    _, found, data = gallery()
    assert found["shown"] == {"train": 4, "val": 2}
    keys = ["ground_truth", "saliency", "cam/maps", "label_initial", "label_own rule #1"]
    assert list(layers(data)) == keys and not any(layer["scored"] for layer in layers(data).values())


def images(count, classes=5):
    return [Item(f"i{place:03d}", (place % classes,)) for place in range(count)]


def test_choice_holds_the_ends_of_each_stage():
    listed = images(200)
    first = {item.id: 50.0 for item in listed}
    second = {id: 50 - 0.01 * place for place, id in enumerate(first)} | {"i007": 90.0, "i123": 5.0}
    third = {id: value + (0.01 if place % 2 else -0.01) for place, (id, value) in enumerate(second.items())}
    third |= {"i050": 70.0, "i051": 30.0, "i123": 95.0, "i199": 10.0}
    chosen = [item.id for item in choose(listed, [first, second, third], 20)]
    assert {"i007", "i123", "i050", "i051", "i199", "i198"} <= set(chosen) and len(chosen) == 20 == len(set(chosen))
    assert chosen == sorted(chosen)  # the list's order


def test_choice_holds_images_of_every_class():
    rare = [Item(f"r{place}", (4,)) for place in range(3)]
    listed = [*images(500, 4), *rare, Item("x", ()), *images(2000, 4)[500:]]
    for ious in ([], [{item.id: float(place) for place, item in enumerate(listed)}]):
        chosen = choose(listed, ious, 40)
        assert len(chosen) == 40 and set(rare) & set(chosen)
        assert all(sum(cls in item.classes for item in chosen) >= 4 for cls in range(4))
    assert choose(listed[:8], [], 8) == choose(listed[:8], [], 100) == listed[:8]


def test_the_largest_gains_and_losses_come_first():
    before, after = dict.fromkeys("abcde", 1.0), {"a": 2.0, "b": 9.0, "c": 0.0, "d": -5.0, "e": 1.0}
    assert extremes("abcde", [before, after]) == [["b", "a"], ["d", "c"], [*"baecd"], [*"dceab"]]
