"""What holds for every list and every image: the list parser and the three label functions on generated input.

Hypothesis draws the same examples each time. tests/pseudo/ compares the label functions with golden and plain results.
"""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.files.dataset import DataSet
from common.files.maps import attention_table, look_up
from data.prepare_voc12 import read_ids
from pseudo.background import extract_background
from pseudo.nsrm import mask_non_salient
from pseudo.pom import mine_potential_objects
from stages.files import InputError

settings.register_profile(
    "same",
    max_examples=150,
    derandomize=True,
    deadline=None,
    database=None,
    # files are written anew for each example, and a busy machine is slow
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("same")

# Lists

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
GAPS = st.sampled_from([" ", "\t", "  ", " \t "])
ENDS = st.sampled_from(["\n", "\r\n", "\n\n", " \n"])
GOOD, BAD = ["a 0", "b 2 1", "c.d", "e-f 2 2"], [".. 0", "../a 1", "/ 0", "-f", ".a 2", "\\ 0", "é 1", "a" * 250 + " 0"]
BAD += ["a 3", "b -1", "c ²", "d ٣", "e " + "9" * 5000, "f 0 disc", "g 00", "a 1"]  # some are good, and may come twice
NEAR = st.tuples(st.permutations(GOOD), st.sampled_from(BAD), st.integers(0, 3)).map(
    lambda drawn: [*drawn[0][: drawn[2]], drawn[1]]
)
WILD = st.lists(st.text(max_size=20), max_size=3)
CONTENTS = st.one_of(NEAR, WILD).map(lambda lines: "\n".join(lines).encode()) | st.binary(max_size=40)


@pytest.fixture
def data(tiny_data):
    """The tiny data set (3 classes), with images of the ids in GOOD and BAD."""
    add_images(tiny_data, "a b c c.d d e e-f f g".split())
    return DataSet(tiny_data)


def add_images(root, ids):
    for id in ids:
        (root / "JPEGImages" / f"{id}.jpg").touch()


def assert_safe(id):
    """An id is the name of a file: one part, ASCII, no option, nothing hidden, and short enough."""
    assert id.isascii() and id.isprintable() and not {*id} & {*"/\\ :*?\0"} and id[0] not in ".-" and len(id) <= 200
    assert os.path.basename(id) == id == os.path.normpath(id)


@given(content=CONTENTS)
def test_any_list_is_refused_or_gives_safe_ids_and_classes_in_range(data, content):
    (data.root / "lists/any.txt").write_bytes(content)
    try:
        items = data.split("any")
    except InputError as error:
        assert "any.txt" in str(error) and len(str(error).splitlines()) == 1
        return
    assert items and len({item.id for item in items}) == len(items)
    for item in items:
        assert_safe(item.id)
        assert list(item.classes) == sorted({*item.classes} & {0, 1, 2})


@given(content=CONTENTS)
def test_any_list_of_the_devkit_is_refused_or_gives_safe_ids(tmp_path, content):
    (tmp_path / "any.txt").write_bytes(content)
    try:
        ids = read_ids(tmp_path / "any.txt")
    except InputError as error:
        assert "any.txt" in str(error) and len(str(error).splitlines()) == 1
        return
    assert ids and len({*ids}) == len(ids)
    for id in ids:
        assert_safe(id)


@given(drawn=st.data(), items=st.dictionaries(IDS, st.sets(st.integers(0, 2)), min_size=1, max_size=6))
def test_valid_lines_are_read_as_they_were_written(data, drawn, items):
    lines = []
    for id, classes in items.items():
        written = drawn.draw(st.permutations([*classes, *classes]))  # in any order, and twice
        lines.append(drawn.draw(GAPS).join([id, *map(str, written)]) + drawn.draw(ENDS))
    add_images(data.root, items)
    (data.root / "lists/any.txt").write_text("".join(lines), newline="")
    assert data.split("any") == [(id, tuple(sorted(classes))) for id, classes in items.items()]


# Labels


@st.composite
def maps(draw, size):
    """uint8 (H, W): constant, of a few levels, sparse, or of all levels."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["constant", "levels", "sparse", "all"]))
    if kind == "constant":
        return np.full(size, draw(st.integers(0, 255)), np.uint8)
    if kind == "levels":
        return rng.choice(rng.integers(0, 256, 3), size).astype(np.uint8)
    noise = rng.integers(0, 256, size, np.uint8)
    return noise if kind == "all" else np.where(rng.random(size) < 0.02, noise, 0).astype(np.uint8)


@st.composite
def images(draw):
    """(saliency, {class: map}, a label and a prediction with these classes), of one size from 1 x 1."""
    size = draw(st.tuples(st.integers(1, 30), st.integers(1, 30)))
    classes = draw(st.lists(st.integers(0, 19), max_size=4, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = [0, 0, 0, *(cls + 1 for cls in classes)]
    prediction, label = (rng.choice(chosen, size).astype(np.uint8) for chosen in (values, [*values, 255]))
    if draw(st.booleans()):
        prediction[rng.random(size) < 0.98] = 0
    return draw(maps(size)), {cls: draw(maps(size)) for cls in classes}, label, prediction


def attention_of(map_):
    return look_up(attention_table(map_), map_)


def assert_label(label, size, values):
    assert label.dtype == np.uint8 and label.shape == size
    assert {*np.unique(label).tolist()} <= {0, 255, *values}


def assert_one_percent(label):
    """The 1 % rule: ignored as a whole, or objects on a hundredth of the pixels or more."""
    objects = ((label > 0) & (label < 255)).sum()
    assert (label == 255).all() or 100 * objects >= label.size


def copies(*arrays):
    return [{key: value.copy() for key, value in a.items()} if isinstance(a, dict) else a.copy() for a in arrays]


def assert_unchanged(arrays, before):
    np.testing.assert_equal(arrays, before)


@given(image=images(), saliency_threshold=st.sampled_from([0, 1, 32, 255]))
def test_background(image, saliency_threshold):
    saliency, oa_cams, _, _ = image
    before = copies(saliency, oa_cams)
    label = extract_background(saliency, oa_cams, background=saliency_threshold)
    assert_unchanged([saliency, oa_cams], before)
    assert_label(label, saliency.shape, [cls + 1 for cls in oa_cams])
    assert_one_percent(label)
    attentions = {cls: attention_of(map_) for cls, map_ in oa_cams.items()}
    strongest = np.max([*attentions.values(), np.zeros(saliency.shape)], axis=0)
    clear = 1 - saliency / 255
    several = np.sum([scores > 0.8999 for scores in (clear, *attentions.values())], axis=0) > 1
    objects = (strongest > 0.3001) & (strongest > np.where(clear < 0.2999, 0, clear) + 1e-6) & ~several
    if (label == 255).all():
        assert objects.mean() < 0.01
        return
    assert ((label[objects] > 0) & (label[objects] < 255)).all()
    surely_background = (saliency < saliency_threshold) & (strongest <= 0.8)
    assert surely_background[label == 0].all()
    for cls, attention in attentions.items():
        own = label == cls + 1  # the strongest, and stronger than the background
        assert (attention[own] == strongest[own]).all() and (attention[own] > 0.2999).all()
        assert ((attention[own] >= clear[own] - 1e-6) | (clear[own] < 0.3001)).all()
    assert (several | ~surely_background)[label == 255].all()


@given(size=st.tuples(st.integers(1, 20), st.integers(1, 20)), drawn=st.data())
def test_background_without_attention_is_ignored_as_a_whole(size, drawn):
    saliency = drawn.draw(maps(size))
    flat = {cls: np.full(size, 7, np.uint8) for cls in drawn.draw(st.sets(st.integers(0, 19), max_size=2))}
    assert (extract_background(saliency, flat) == 255).all()


@given(image=images(), t_bg=st.sampled_from([0, 0.3, 1]))
def test_mining(image, t_bg):
    _, cams, label, _ = image
    before = copies(label, cams)
    pseudo = mine_potential_objects(label, cams, t_bg)
    assert_unchanged([label, cams], before)
    assert_label(pseudo, label.shape, np.unique(label))
    changed = pseudo != label
    assert (label[changed] == 0).all() and (pseudo[changed] == 255).all()
    for cls, cam in cams.items():  # each class mines for itself, and where it attends to
        alone = mine_potential_objects(label, {cls: cam}, t_bg)
        assert (pseudo[alone != label] == 255).all()
        attention = attention_of(cam)
        assert (attention[alone != label] > 0).all()
    np.testing.assert_array_equal(
        mine_potential_objects(pseudo, cams, t_bg), pseudo
    )  # T_c is of the class's own pixels
    np.testing.assert_array_equal(mine_potential_objects(label, {}, t_bg), label)


@given(image=images())
def test_a_constant_map_mines_nothing(image):
    _, cams, label, _ = image
    flat = {cls: np.full_like(cam, cam.flat[0]) for cls, cam in cams.items()}
    np.testing.assert_array_equal(mine_potential_objects(label, flat), label)


@given(image=images(), kernel=st.integers(1, 40), given_saliency=st.booleans(), expansion=st.booleans())
def test_masking(image, kernel, given_saliency, expansion):
    saliency, _, label, prediction = image
    saliency = saliency if given_saliency else None
    before = copies(prediction, label) + [None if saliency is None else saliency.copy()]
    results = {
        (masking, dilation): mask_non_salient(prediction, label, saliency, kernel, expansion, masking, dilation)
        for masking in (True, False)
        for dilation in (True, False)
    }
    assert_unchanged([prediction, label, saliency], before)
    for result in results.values():
        assert_label(result, label.shape, np.unique([prediction, label] if expansion else prediction))
        assert_one_percent(result)
    whole = results[True, True]
    expanded = np.where((prediction == 0) & (label != 255) & expansion, label, prediction)
    if (expanded > 0).mean() < 0.01:  # too few objects, and masking takes none away
        assert all((result == 255).all() for result in results.values())
        return
    np.testing.assert_array_equal(results[False, True], expanded)  # without masking nothing is ignored
    np.testing.assert_array_equal(results[False, False], expanded)
    np.testing.assert_array_equal(whole[expanded > 0], expanded[expanded > 0])  # no object is masked
    for result in results.values():
        assert np.isin(result[expanded == 0], (0, 255)).all()
    tight = results[True, False]
    kept = (expanded > 0) | (False if saliency is None else saliency > 0)
    np.testing.assert_array_equal(tight != 255, kept)
    assert (whole[tight != 255] != 255).all()  # dilation only adds
    larger = mask_non_salient(prediction, label, saliency, kernel + 1, expansion)
    assert (larger[whole != 255] != 255).all()
    assert (mask_non_salient(prediction, label, saliency, 2 * max(label.shape), expansion) != 255).all()


@given(image=images(), drawn=st.data())
def test_pixels_may_be_permuted(image, drawn):
    """BE, POM and NSRM without dilation treat each pixel by its own values and the image's, wherever it lies."""
    saliency, cams, label, prediction = image
    order = np.random.default_rng(drawn.draw(st.integers(0, 2**32))).permutation(label.size)

    def moved(array):
        return array.ravel()[order].reshape(array.shape)

    moved_cams = {cls: moved(cam) for cls, cam in reversed(cams.items())}  # and the classes come in any order
    np.testing.assert_array_equal(
        extract_background(moved(saliency), moved_cams), moved(extract_background(saliency, cams))
    )
    np.testing.assert_array_equal(
        mine_potential_objects(moved(label), moved_cams), moved(mine_potential_objects(label, cams))
    )
    masked = mask_non_salient(prediction, label, saliency, dilation=False)
    found = mask_non_salient(moved(prediction), moved(label), moved(saliency), dilation=False)
    np.testing.assert_array_equal(found, moved(masked))
