"""data.check_saliency: what is said of maps as a whole, on made sets whose answer is known."""

import shutil

import numpy as np
import pytest

from common.files.images import write_grey
from data import check
from data.check_saliency import INVERTED, Measures, border_and_centre, faults, measure, remarks, summary
from data.prepare_toy import Recipe, draw_example

SIZE = (60, 80)


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(saliency_noise=1, saliency_missing=1)])
def test_toy_maps_are_sound_and_inverted_ones_are_not(recipe):
    maps = [draw_example(3, "train", number, recipe).saliency for number in range(40)]
    measures = [measure(each) for each in maps]
    assert remarks(measures) == faults(measures) == []
    assert [kind for kind, _ in faults([measure(255 - each) for each in maps])] == [INVERTED]


def level(value, share):
    """A map with `value` on a share of its pixels."""
    found = np.zeros(SIZE, np.uint8)
    found.ravel()[: round(share * found.size)] = value
    return found


@pytest.mark.parametrize("value, share, said", [
    (32, 0.94, []),
    (31, 0.96, ["reach 32 of 255 nowhere", "reach 1 of 255 nearly everywhere"]),
    (32, 0.96, ["reach 32 of 255 nearly everywhere", "reach 1 of 255 nearly everywhere"]),
])  # fmt: skip
def test_many_maps_without_or_full_of_saliency(value, share, said):
    expected = [f"many saliency maps that {each}" for each in said]
    odd, sound = [measure(level(value, share))] * 2, [measure(level(200, 0.3))] * 17
    assert [kind for kind, _ in remarks([*odd, *sound])] == expected  # 2 of 19
    assert remarks([*odd, *sound, sound[0]]) == []  # 2 of 20


@pytest.mark.parametrize("inverted", [False, True])
def test_the_command_says_so(tiny_data, capsys, inverted):
    lines = []
    for number in range(20):  # a quarter of the objects touches the border: the votes are not unanimous
        saliency = np.full((48, 64), 10, np.uint8)
        saliency[:, :8] = 240 if number % 4 == 0 else 10
        saliency[16:32, 20:44] = 10 if number % 4 == 0 else 240
        write_grey(tiny_data / f"saliency/n{number}.png", 255 - saliency if inverted else saliency)
        shutil.copy(tiny_data / "JPEGImages/a_simple.jpg", tiny_data / f"JPEGImages/n{number}.jpg")
        lines.append(f"n{number} 0\n")
    (tiny_data / "lists/train.txt").write_text("".join(lines))
    for name in ("val", "test"):
        (tiny_data / f"lists/{name}.txt").unlink()
    assert check.check(tiny_data, 1) == (not inverted)
    text = capsys.readouterr().out
    assert (INVERTED in text) == inverted
    assert f"saliency: {15 if inverted else 5} of 20 maps are brighter at the border" in text
    assert "\nworth a look\n  many saliency maps that reach 1 of 255 nearly everywhere: 1\n" in text


def test_few_maps_or_flat_ones_convict_nobody():
    inverted, flat = Measures(200.0, 10.0, (1, 1)), Measures(7.0, 7.0, (1, 1))
    assert not faults([inverted] * 4) and faults([inverted] * 5) and not faults([flat] * 100)


def test_border_and_centre():
    values = np.zeros((40, 60), np.uint8)
    values[4:-4, 6:-6] = 50
    values[10:30, 15:45] = 90
    assert border_and_centre(values) == (0.0, 90.0)
    assert border_and_centre(values[:3]) == (None, None)
    assert summary([measure(values[15:18])]).startswith("saliency: 80% of the pixels")  # no word of its border
