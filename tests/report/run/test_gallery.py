"""report.run.gallery: which images a gallery shows, their pictures, pages and scores, and damaged ones."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from common.dataset import DataSet, Item
from common.images import VOC_COLOURS, read_indexed, write_grey, write_indexed
from report.run.choice import choose, even, take
from report.run.gallery import write_data, write_gallery
from report.run.reading import read_scored
from seg import evaluate

IDS = ["a_simple", "b_simple", "c_complex", "d_complex"]
HOSTILE = "</script><script>alert(1)</script>"


def put_record(folder, command, data, split):
    folder.mkdir(parents=True, exist_ok=True)
    record = {"command": command, "arguments": {"data": str(data), "split": split}, "inputs": {}, "versions": {}}
    record |= {"started": "2026-01-01 10:00:00", "finished": "2026-01-01 10:00:01"}
    (folder / "stage.json").write_text(json.dumps(record))


def score(data, run, folder, *more, split="train"):
    """Score <run>/<folder> as seg.evaluate does."""
    out = run / "scores" / folder
    put_record(out, "seg.evaluate", data, split)
    places = ["--data", data, "--split", split, "--pred", run / folder, "--out", out, "--workers", 1]
    evaluate.run(evaluate.parser().parse_args([*map(str, places), *more]))


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
    score(tiny_data, run, "cam", "--map-thresholds", "0.3", "0.6")
    for folder, split in (("label_initial", "train"), ("label_own rule #1", "train"), ("pred1_val", "val")):
        score(tiny_data, run, folder, split=split)
    return run


@pytest.fixture
def gallery(tiny_data, run, tmp_path):
    """`gallery(count)` writes the gallery of the run: (folder, what it returns, what is in data.js)."""

    def gallery(count=100, workers=1):
        out = tmp_path / "report"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        found = write_gallery(out, DataSet(tiny_data), run, read_scored(run), count, workers)
        return out, found, read_data(out)

    return gallery


def read_data(out):
    text = (out / "files/data.js").read_text()
    assert text.startswith("const REPORT = ") and text.endswith(";\n") and "<" not in text
    return json.loads(text.removeprefix("const REPORT = ").removesuffix(";\n"))


class Page(HTMLParser):
    """The addresses and the texts of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.text, self.tags = [], "", []
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value for name, value in attributes if name in ("href", "src", "data-file")]

    def handle_data(self, data):
        self.text += data


def page(out, id, split="train"):
    return Page(out / "images" / split / f"{id}.html")


def layers(data, split="train"):
    return {layer["key"]: layer for each in data["splits"] if each["name"] == split for layer in each["layers"]}


def items(data, split="train"):
    return {item["id"]: item for each in data["splits"] if each["name"] == split for item in each["items"]}


def test_each_image_has_its_page_and_pictures(gallery):
    out, found, data = gallery()
    assert found == {"shown": {"train": 4, "val": 2}, "images": {"train": 4, "val": 2}}
    assert sorted(path.stem for path in (out / "images/train").iterdir()) == IDS
    assert sorted(path.stem for path in (out / "images/val").iterdir()) == ["b_simple", "d_complex"]
    keys = ["ground_truth", "saliency", "cam/maps", "cam", "label_initial", "label_own rule #1"]
    assert list(layers(data)) == keys
    assert list(layers(data, "val")) == [key for key in keys if key != "cam"] + ["pred1_val"]  # CAMs scored on train
    for split, ids in (("train", IDS), ("val", ["b_simple", "d_complex"])):
        pictures = out / "files/pictures" / split
        for name, layer in layers(data, split).items():
            stems = {re.sub(r"_\d$", "", path.stem) for path in (pictures / layer["folder"]).iterdir()}
            assert stems == set(ids), name
        assert all((pictures / "thumbnail" / f"{id}.jpg").exists() for id in ids)
    assert items(data)["d_complex"]["size"] == [56, 40] and items(data)["d_complex"]["classes"] == [0, 1, 2]


def test_pictures_are_what_the_folders_hold(gallery, tiny_data, run):
    out, _, data = gallery()
    for key, folder in (("ground_truth", tiny_data / "SegmentationClass"), ("label_initial", run / "label_initial")):
        label = read_indexed(folder / "d_complex.png")
        with Image.open(out / "files/pictures/train" / layers(data)[key]["folder"] / "d_complex.png") as image:
            rgba = np.asarray(image.convert("RGBA"))
        assert (rgba[..., :3] == VOC_COLOURS[label]).all() and ((rgba[..., 3] > 0) == (label > 0)).all()
    maps = out / "files/pictures/train" / layers(data)["cam/maps"]["folder"]
    with Image.open(maps / "d_complex_2.png") as image:  # at the network's resolution
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
    assert alpha.shape == (5, 7) and ((alpha > 0) == (read_indexed_small(tiny_data, "d_complex") == 3)).all()


def read_indexed_small(tiny_data, id):
    return read_indexed(tiny_data / "SegmentationClass" / f"{id}.png")[::8, ::8]


def test_maps_are_shown_as_the_label_that_was_scored(gallery, tiny_data, run):
    out, _, data = gallery()
    threshold = json.loads((run / "scores/cam/scores.json").read_text())["threshold"]
    assert layers(data)["cam"]["title"] == f"CAM, threshold {threshold}"
    with Image.open(out / "files/pictures/train" / layers(data)["cam"]["folder"] / "c_complex.png") as image:
        rgba = np.asarray(image.convert("RGBA"))
    assert {tuple(colour) for colour in rgba[rgba[..., 3] > 0][:, :3].tolist()} == {(128, 0, 0), (0, 128, 0)}


def test_scores_are_those_of_seg_evaluate(gallery, run):
    out, _, data = gallery()
    place = list(layers(data)).index("label_initial")
    lines = [json.loads(line) for line in (run / "scores/label_initial/images.jsonl").read_text().splitlines()]
    for line in lines:
        assert items(data)[line["id"]]["scores"][place] == line["mean_iou"]
        text = page(out, line["id"]).text
        row = text[text.index("Scores of this image") :]
        assert all(f"{value:.1f}" in row for value in [line["mean_iou"], *line["class_iou"].values()])
    assert items(data)["a_simple"]["scores"][0] is None  # the ground truth has no score


def test_fewer_images_than_the_split_has(gallery):
    out, found, data = gallery(count=3)
    assert found["shown"] == {"train": 3, "val": 2} and found["images"] == {"train": 4, "val": 2}
    assert len(list((out / "images/train").iterdir())) == len(items(data)) == 3
    assert "3 of 4 images of train" in " ".join(Page(out / "gallery.html").text.split())


@pytest.mark.parametrize("damage", ["missing", "cut", "wrong size", "a class too many", "grey"])
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
    elif damage == "grey":
        write_grey(path, label)
    out, _, data = gallery()
    place = list(layers(data)).index("label_initial")
    assert {id: item["missing"] for id, item in items(data).items()} == {id: [] for id in IDS} | {"c_complex": [place]}
    text = page(out, "c_complex").text
    assert "Left out" in text and "initial label (BE): label_initial/c_complex.png: " in text
    assert "Left out" not in page(out, "a_simple").text
    assert not any(layers(data)["label_initial"]["folder"] in link for link in page(out, "c_complex").links)


def test_a_map_or_a_photograph_that_cannot_be_shown_is_noted(gallery, tiny_data, run):
    (run / "cam/c_complex_1.png").unlink()
    photograph = tiny_data / "JPEGImages/d_complex.jpg"
    photograph.write_bytes(photograph.read_bytes()[:200])
    out, _, data = gallery()
    assert "CAM: square: cam/c_complex_1.png: no such file" in page(out, "c_complex").text
    assert "photograph: " in page(out, "d_complex").text
    assert list(layers(data)).index("cam/maps") in items(data)["c_complex"]["missing"]
    assert (out / "files/pictures/train/photograph/d_complex.jpg").exists()


def test_class_names_are_text(gallery, tiny_data):
    (tiny_data / "classes.txt").write_text(f"{HOSTILE}\n\"quoted\" & 'so' <b>\nbar\n")
    out, _, data = gallery()
    assert data["classes"][0] == HOSTILE
    for path in [out / "gallery.html", *out.glob("images/*/*.html")]:
        assert "<script>alert" not in path.read_text() and "b" not in Page(path).tags
    assert HOSTILE in page(out, "a_simple").text


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
    out, found, data = gallery()
    assert found["shown"] == {"train": 4, "val": 2}
    keys = ["ground_truth", "saliency", "cam/maps", "label_initial", "label_own rule #1"]
    assert list(layers(data)) == keys and not any(layer["scored"] for layer in layers(data).values())
    assert "No stage has scores of this image" in page(out, "a_simple").text


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
    assert chosen == [item.id for item in choose(listed, [first, second, third], 20)]


def test_choice_holds_images_of_every_class():
    rare = [Item(f"r{place}", (4,)) for place in range(3)]
    listed = [*images(500, 4), *rare, Item("x", ()), *images(2000, 4)[500:]]
    for ious in ([], [{item.id: float(place) for place, item in enumerate(listed)}]):
        chosen = choose(listed, ious, 40)
        assert len(chosen) == 40 and set(rare) & set(chosen)
        assert all(sum(cls in item.classes for item in chosen) >= 4 for cls in range(4))
        assert any(item.id > "i1500" for item in chosen) and any(item.id < "i0500" for item in chosen)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_choice_has_the_number_that_is_asked(count):
    listed = images(8)
    ious = [{item.id: float(place * factor % 7) for place, item in enumerate(listed)} for factor in (1, 3, 5)]
    assert len(choose(listed, ious, count)) == count
    assert choose(listed, ious, 8) == choose(listed, ious, 100) == listed


def test_taking_turns_and_even_samples():
    assert take([["a", "b", "c"], ["b", "d"], []], 3) == ["a", "b", "d"]
    assert take([["a"], ["a"]], 5) == ["a"]
    assert even("abcdef", 3) == ["a", "c", "e"] and even("ab", 5) == ["a", "b"] and even("", 3) == []
