"""data.prepare_folder: photographs, tags, maps and ground truth of anybody's become a data set."""

import csv
import io
import unicodedata
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import write_grey, write_indexed
from data import check
from data.prepare_folder import make_plan, parser, reads, run
from data.tags import Tagged, choose_validation
from stages.files import InputError

SIZE = (20, 30)  # of the upright photographs, (height, width)
TAGS = {"Été (1).JPG": "dog;person", "b.png": "dog", "c.webp": "person", "d.jpg": "cat; dog", "e.jpg": "cat"}
IDS = {"Été (1).JPG": "ete_1"}  # others keep theirs


def pixels(seed):
    """uint8 (H, W, 3), smooth, so that JPEG changes little."""
    ramp = np.linspace(0, 200, SIZE[1], dtype=np.float32)[None, :, None] * np.linspace(0.5, 1, SIZE[0])[:, None, None]
    return (ramp + np.random.default_rng(seed).integers(0, 50, 3)).astype(np.uint8)


@pytest.fixture
def place(tmp_path):
    """A folder with photos/, of TAGS, the first on its side, maps/, and tags.csv."""
    for name in ("photos", "maps", "truth", "out"):
        (tmp_path / name).mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    for number, name in enumerate(TAGS):
        image = Image.fromarray(pixels(number))
        turned = number == 0
        image = image.transpose(Image.Transpose.ROTATE_90) if turned else image
        image.save(tmp_path / "photos" / name, quality=95, **({"exif": exif} if turned else {}))
        write_grey(tmp_path / "maps" / f"{name.rpartition('.')[0]}.png", saliency(number))
    write_tags(tmp_path, TAGS)
    (tmp_path / "classes.txt").write_text("person\ndog\ncat\n")
    return tmp_path


def saliency(seed):
    found = np.zeros(SIZE, np.uint8)
    found[5:15, 8 : 20 + seed] = 200
    return found


def write_tags(place, tags, encoding="utf-8", columns=("file", "tags")):
    text = io.StringIO()
    csv.writer(text).writerows([columns, *tags.items()])
    (place / "tags.csv").write_bytes(text.getvalue().encode(encoding))


def prepare(place, *more):
    """Runs the stage in this process; returns the data set."""
    arguments = ["--images", "photos", "--tags", "tags.csv", "--out", "out", "--workers", "1"]
    here = {"photos", "tags.csv", "out", "maps", "truth", "classes.txt"}
    options = [str(place / word) if word in here else word for word in (*arguments, *more)]
    run(parser().parse_args(options))
    return DataSet(place / "out")


def splits(data):
    """{split: {id: names of classes}}."""
    return {
        path.stem: {item.id: [data.classes[c] for c in item.classes] for item in data.split(path.stem)}
        for path in (data.root / "lists").iterdir()
    }


def test_a_folder_becomes_a_data_set(place, capsys):
    data = prepare(place, "--saliency", "maps", "--val", "0.2")
    assert data.classes == ["cat", "dog", "person"]
    found = splits(data)
    assert len(found["val"]) == 1
    rest = {"b": ["dog"], "c": ["person"], "d": ["cat", "dog"], "e": ["cat"]}
    assert found["train"] | found["val"] == {"ete_1": ["dog", "person"]} | rest
    assert {name for own in found["train"].values() for name in own} == {"cat", "dog", "person"}
    for number, name in enumerate(TAGS):
        id = IDS.get(name, name[0])
        assert (np.abs(data.image(id).astype(int) - pixels(number)) < 12).all(), name
        np.testing.assert_array_equal(data.saliency(id), saliency(number))
    assert (data.root / "names.csv").read_text() == "file,id\nÉté (1).JPG,ete_1\n"
    assert "names.csv (1): Été (1).JPG is ete_1" in capsys.readouterr().out
    assert check.check(data.root, 1) and not (data.root / "SegmentationClass").exists()


def test_only_what_needs_no_change_is_copied(place):
    Image.fromarray(pixels(4)).convert("L").save(place / "photos/e.jpg", progressive=True)
    Image.fromarray(pixels(1)).save(place / "photos/b.png", format="MPO", save_all=True)  # a phone's: JPEG and more
    data = prepare(place)
    for name in ("d.jpg", "e.jpg", "b.png"):
        assert data.image_path(name[0]).read_bytes() == (place / "photos" / name).read_bytes()
    for name in ("Été (1).JPG", "c.webp"):
        with Image.open(data.image_path(IDS.get(name, name[0]))) as image:
            assert image.format == "JPEG" and image.mode == "RGB" and not image.getexif()
            assert all(table[0] <= 2 for table in image.quantization.values())  # quality 95
    Image.new("CMYK", SIZE[::-1]).save(place / "photos/e.jpg")
    with Image.open(prepare(place).image_path("e")) as image:
        assert image.mode == "L", "what is complete is not made again"


@pytest.mark.parametrize("size, kind", [((30, 20), "as stored"), ((20, 30), "upright"), ((45, 30), "as stored")])
def test_maps_turn_with_their_photographs(place, size, kind):
    """Of the photograph that lies on its side: in its stored size or shape the map does, too."""
    upright = np.zeros(SIZE, np.uint8)
    upright[:10, :15] = 240  # top left
    stored = np.rot90(upright) if kind == "as stored" else upright
    grey = Image.fromarray(np.ascontiguousarray(stored)).resize(size[::-1], Image.Resampling.NEAREST)
    grey.convert("RGB").save(place / "maps/Été (1).png")
    found = prepare(place, "--saliency", "maps").saliency("ete_1")
    assert (found[:8, :12] > 200).all() and (found[12:] < 40).all() and (found[:, 18:] < 40).all()


def test_of_two_photographs_of_one_name_each_has_its_own_map(place):
    Image.fromarray(pixels(9)).save(place / "photos/b.webp")
    write_tags(place, TAGS | {"b.webp": "cat"})
    with pytest.raises(InputError, match="maps: expected a map of each training image, missing are b_2.png"):
        prepare(place, "--saliency", "maps", "--val", "0")
    write_grey(place / "maps/b_2.png", saliency(5))
    data = prepare(place, "--saliency", "maps", "--val", "0")
    np.testing.assert_array_equal(data.saliency("b"), saliency(1))
    np.testing.assert_array_equal(data.saliency("b_2"), saliency(5))


def put_truth(place, *names, value=1):
    for name in names:
        write_indexed(place / "truth" / f"{name}.png", np.full(SIZE, value, np.uint8))


TRUTH = ("--ground-truth", "truth", "--classes", "classes.txt")


def test_ground_truth_of_all_images(place):
    put_truth(place, "Été (1)", "b", "c", "d", "e", value=3)
    data = prepare(place, *TRUTH)
    assert data.classes == ["person", "dog", "cat"]  # as listed
    assert splits(data)["train"].keys() | splits(data)["val"].keys() == {"ete_1", "b", "c", "d", "e"}
    assert (data.root / "SegmentationClass/ete_1.png").read_bytes() == (place / "truth/Été (1).png").read_bytes()
    assert len(list((data.root / "SegmentationClass").iterdir())) == 5


@pytest.mark.parametrize("share, val, left_out", [("0.4", {"b", "d"}, 0), ("0.2", {"b"}, 1)])
def test_images_with_ground_truth_are_for_validation(place, capsys, share, val, left_out):
    put_truth(place, "b", "d")
    data = prepare(place, *TRUTH, "--val", share)
    found = splits(data)["val"].keys()
    assert found <= {"b", "d"} and len(found) == len(val)
    assert {path.stem for path in (data.root / "SegmentationClass").iterdir()} == found
    assert capsys.readouterr().out.count("ground truth left out") == left_out


def test_what_is_large_is_shrunk(place):
    put_truth(place, "Été (1)", "b", "c", "e")
    halves = np.repeat(np.array([0, 3], np.uint8), 15)[None].repeat(20, 0)  # between which lies no class
    write_indexed(place / "truth/b.png", halves)
    Image.fromarray(pixels(3)[:10, :15]).save(place / "photos/d.jpg")
    write_indexed(place / "truth/d.png", np.full((10, 15), 1, np.uint8))
    data = prepare(place, "--saliency", "maps", *TRUTH, "--longest", "15")
    for id in ("ete_1", "b", "c", "e"):
        assert data.image(id).shape == (10, 15, 3)
        assert data.ground_truth(id).shape == (10, 15)
        assert set(np.unique(data.ground_truth(id))) == ({0, 3} if id == "b" else {1})
        assert data.saliency(id)[3:7, 5:9].min() > 150 and data.saliency(id)[:2].max() < 50
    assert data.image_path("d").read_bytes() == (place / "photos/d.jpg").read_bytes()


def test_what_is_not_in_the_data_set_is_said(place, capsys):
    write_tags(place, {"b.png": "dog", "c.webp": " ; ", "d.jpg": "", "e.jpg": "cat"})
    (place / "photos/notes.txt").touch()
    data = prepare(place, "--val", "0")
    said = capsys.readouterr().out
    assert splits(data) == {"train": {"b": ["dog"], "e": ["cat"]}}
    assert f"not in {place / 'tags.csv'}, left out (1): Été (1).JPG" in said
    assert "without tags, left out (2): c.webp, d.jpg" in said and "passed over (1): notes.txt" in said
    assert not (data.root / "names.csv").exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_tables_of_other_programs(place, encoding):
    decomposed = unicodedata.normalize("NFD", "Été (1).JPG")  # as macOS writes accents
    write_tags(place, {decomposed: "dog", "b.png": '"; lively" dog; dog'}, encoding)
    text = (place / "tags.csv").read_text(encoding)
    (place / "tags.csv").write_text("\n".join(f"{line},7," for line in text.splitlines()), encoding)
    data = prepare(place, "--val", "0")
    assert data.classes == ['"', "dog", 'lively" dog'] and set(splits(data)["train"]) == {"ete_1", "b"}


TABLES = [
    ("file,tags\n", "tags.csv: expected at least one file"),
    ("file,tags\nb.png,\n", "tags.csv: expected 1 to 254 classes, found 0"),
    ("file,tags\nb.png,dog,cat\n", "tags.csv line 2: expected 2 cells, found more"),
    ("file,tags\nb.png,background\n", "line 2: expected class names"),
    ('file,tags\nb.png,"two\nlines"\n', "line 3: expected class names"),
    ('file,tags\nb.png,"dog\n', "tags.csv: expected CSV"),
    (b"file,tags\nb.png,\xe9\n", "tags.csv: expected UTF-8 text"),
]


@pytest.mark.parametrize("text, message", TABLES)
def test_tables_that_cannot_be_used(place, text, message):
    (place / "tags.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message) as error:
        prepare(place)
    assert len(str(error.value).splitlines()) == 1 and not list((place / "out").iterdir())


def test_the_command_and_what_it_reads(place, run_command):
    options = ["--images", place / "photos", "--tags", place / "tags.csv", "--saliency", place / "maps", "--workers", 2]
    for words in (" in lists/train.txt", "nothing to do"):
        result = run_command("data.prepare_folder", *options, "--out", place / "mine")
        assert result.returncode == 0 and words in result.stdout, result.stderr
        (place / "photos/further.jpg").touch()  # not in the table: no change
    args = parser().parse_args([*map(str, options), "--out", "x"])
    assert reads(args)["images"].files == ["b.png", "c.webp", "d.jpg", "e.jpg", "Été (1).JPG"]
    assert len(reads(args)["saliency"].files) == 5 and len(make_plan(args).jobs) == 5


def items_of(counts, seed=0):
    """Images of classes 0, 1, …, so many of each, every third with the next class, too."""
    rng = np.random.default_rng(seed)
    classes = [cls for cls, count in enumerate(counts) for _ in range(count)]
    both = [{cls, (cls + 1) % len(counts)} if rng.random() < 0.3 else {cls} for cls in classes]
    return [Tagged(f"i{number:03d}", None, tuple(sorted(each))) for number, each in enumerate(both)]


@pytest.mark.parametrize("seed", range(2))
def test_validation_has_its_share_of_each_class(seed):
    items = items_of([100, 40, 20, 5, 1], seed)
    ids = {item.id for item in items}
    chosen = choose_validation(items, ids, 0.2, seed)
    assert len(chosen) == round(0.2 * len(items)) and chosen == choose_validation(items, ids, 0.2, seed)
    assert chosen != choose_validation(items, ids, 0.2, seed + 1)
    count = Counter(cls for item in items for cls in item.classes)
    val = Counter(cls for item in items if item.id in chosen for cls in item.classes)
    assert all(abs(val[cls] - 0.2 * count[cls]) <= 0.1 * count[cls] + 1 for cls in (0, 1, 2))
    assert all(val[cls] < count[cls] for cls in count)


def test_every_class_keeps_an_image_for_training():
    items = items_of([1, 1, 2, 3])
    for share in (0.1, 0.5, 1):
        chosen = choose_validation(items, {item.id for item in items}, share, 0)
        assert {cls for item in items if item.id not in chosen for cls in item.classes} == {0, 1, 2, 3}
    assert choose_validation(items, {item.id for item in items}, 0, 0) == set()
    assert choose_validation(items, {"i003"}, 1, 0) <= {"i003"}
