"""What holds for every list, on generated input; Hypothesis draws the same examples each time."""

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.files.dataset import DataSet
from data.prepare_voc12 import read_ids
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
