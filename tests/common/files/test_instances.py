"""common.files.instances: what is written reads back, and every fault of a foreign file is named."""

import json
import re

import numpy as np
import pytest

from common.files import instances as module
from common.files.dataset import DataSet
from common.files.images import is_complete
from common.files.instances import classes_beneath, read_instances, write_instances
from stages.files import InputError

SIZE = 48, 64  # of a_simple


def strips(count, width=1):
    """Masks bool (count, 48, 64), each of `width` pixels of its own."""
    masks = np.zeros((count, SIZE[0] * SIZE[1]), bool)
    for number in range(count):
        masks[number, number * width : (number + 1) * width] = True
    return masks.reshape(count, *SIZE)


def test_what_is_written_reads_back_by_descending_score(tiny_data, tmp_path):
    masks = strips(4, width=3)
    masks[1] = False  # would be a number without a pixel
    write_instances(tmp_path, "a_simple", masks, np.array([2, 1, 0, 2]), np.array([0.25, 0.9, 0.5, 0.5], np.float32))
    numbers, entries = read_instances(DataSet(tiny_data), tmp_path, "a_simple")
    expected = [(0, 0.5, masks[2]), (2, 0.5, masks[3]), (2, 0.25, masks[0])]  # equal scores in the order given
    assert [(entry["number"], entry["class"], entry["score"]) for entry in entries] == [
        (number, cls, score) for number, (cls, score, _) in enumerate(expected, start=1)
    ]
    assert numbers.dtype == np.uint8 and numbers.max() == 3
    for number, (_, _, mask) in enumerate(expected, start=1):
        assert np.array_equal(numbers == number, mask)


def test_of_more_than_a_png_has_numbers_the_best_are_kept(tiny_data, tmp_path):
    scores = np.random.default_rng(0).permutation(300) / 300
    write_instances(tmp_path, "a_simple", strips(300), [0] * 300, scores)
    numbers, entries = read_instances(DataSet(tiny_data), tmp_path, "a_simple")
    assert len(entries) == 254 and min(entry["score"] for entry in entries) == np.sort(scores)[-254]
    assert numbers.max() == 254 and numbers.ravel()[scores.argmax()] == 1


def test_the_png_is_written_last(tmp_path, monkeypatch):
    def stop(path, _):
        assert json.loads((tmp_path / "a.json").read_text()) and not is_complete(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_indexed", stop)
    with pytest.raises(KeyboardInterrupt):
        write_instances(tmp_path, "a", strips(1), [0], [0.5])


ENTRY = {"number": 1, "class": 2, "score": 0.5}
FAULTS = {
    "no JSON": ("[", "a_simple.json: expected JSON"),
    "no list": (ENTRY, "a_simple.json: expected a list of instances"),
    "no entry": ([5], "a_simple.json entry 1: expected an object with a number from 1 to 254"),
    "number 255": ([ENTRY, ENTRY | {"number": 255}], "entry 2: expected an object with a number"),
    "number true": ([ENTRY | {"number": True}], "entry 1: expected an object with a number"),
    "number twice": ([ENTRY, ENTRY], "a_simple.json: expected every number once"),
    "class beyond": ([ENTRY | {"class": 3}], "entry 1: expected a class from 0 to 2"),
    "score not a number": ([ENTRY | {"score": float("nan")}], "entry 1: expected a finite score"),
    "no pixel": (
        [ENTRY, ENTRY | {"number": 7}],
        "a_simple.png: expected pixels of number 7, which a_simple.json",
    ),
    "pixel without entry": ([], "a_simple.json: expected an entry of number 1, which a_simple.png shows"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_the_json_are_named(tiny_data, tmp_path, fault):
    content, message = FAULTS[fault]
    write_instances(tmp_path, "a_simple", strips(1), [2], [0.5])
    (tmp_path / "a_simple.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InputError, match=re.escape(message)) as error:
        read_instances(DataSet(tiny_data), tmp_path, "a_simple")
    assert "\n" not in str(error.value) and str(tmp_path) in str(error.value)


def test_classes_beneath():
    instances = np.array([[0, 1, 1, 2, 2, 3, 9, 255]], np.uint8)
    truth = np.array([[5, 4, 255, 0, 6, 255, 1, 2]], np.uint8)
    assert classes_beneath(instances, truth) == {1: [4], 2: [0, 6], 3: [], 9: [1]}
