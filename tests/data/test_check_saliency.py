"""data.check_saliency: what is said of maps as a whole, on made sets whose answer is known."""

import shutil

import numpy as np
import pytest

from common.files.images import write_grey
from data import check
from data.check_saliency import INVERTED, SCALED, Balance, Survey, border_and_centre, measure
from data.prepare_toy import Recipe, draw_example

SIZE = (60, 80)


def detected(number, sure=False):
    """A detector's map of an image, float (H, W) from 0.02 to 0.97: a hill, of another height in each image; or, of a
    detector that is sure, a plateau near 1."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    hill = np.exp(-((x - 30 - number % 20) ** 2 + (y - 25) ** 2) / (2 * (6 + number % 4) ** 2))
    if sure:
        return np.clip(4 * hill - 1, 0, 1) * 0.995
    return 0.02 + hill * (0.45 + number % 11 / 20)


def stretched(found):
    """As published code does it: each map from its own minimum to its own maximum."""
    return (found - found.min()) / (found.max() - found.min())


def to_bytes(found):
    return (found * 255).astype(np.uint8)


def surveyed(maps):
    survey = Survey()
    for each in maps:
        survey.add(measure(each))
    return survey


def kinds(maps):
    return [kind for kind, _ in surveyed(maps).remarks()]


def test_maps_scaled_for_each_image():
    maps = [to_bytes(stretched(detected(number))) for number in range(20)]
    ((kind, message),) = surveyed(maps).remarks()
    assert kind == SCALED and message.startswith("20 of the 20 maps with a small peak go from 0 to 255")
    assert kinds(maps[:9]) == []  # too few to say
    assert SCALED in kinds([each.clip(number % 3, 253 + number % 3) for number, each in enumerate(maps)])  # resized
    assert SCALED in kinds([each // 2 for each in maps])  # the brightest of the set need not be 255
    sure = [to_bytes(detected(number, sure=True)) for number in range(200)]
    assert SCALED in kinds([*maps, *sure])  # those with a plateau tell nothing


def test_maps_on_one_scale():
    assert SCALED not in kinds([to_bytes(detected(number)) for number in range(40)])
    assert SCALED not in kinds([to_bytes(detected(number, sure=True)) for number in range(40)])
    assert SCALED not in kinds([to_bytes(detected(number, sure=number % 2)) for number in range(40)])
    assert SCALED not in kinds([255 * (detected(number) > 0.4).astype(np.uint8) for number in range(40)])  # masks


@pytest.mark.parametrize("more", [{}, {"saliency_noise": 0}, {"saliency_noise": 1}, {"saliency_missing": 1}])
def test_toy_maps_are_sound(more):
    survey = surveyed([draw_example(3, "train", number, Recipe(**more)).saliency for number in range(40)])
    assert survey.remarks() == [] and survey.faults() == []


def test_toy_maps_once_they_are_scaled():
    maps = [draw_example(3, "train", number).saliency for number in range(40)]
    assert SCALED in kinds([to_bytes(stretched(each.astype(float))) for each in maps])


def level(value, share):
    """A map with `value` on a share of its pixels."""
    found = np.zeros(SIZE, np.uint8)
    found.ravel()[: round(share * found.size)] = value
    return found


def test_shares_above_the_thresholds():
    survey = surveyed([level(32, 0.25), level(31, 0.5), level(200, 0.05)])
    first, second = str(survey).splitlines()[1:]
    assert first.startswith("saliency: 5% of the pixels of the median map reach 32 of 255 (pseudo.background); ")
    assert first.endswith("; no pixel in 1 of 3 maps, nearly all in 0")
    assert second.startswith("saliency: 25% of the pixels of the median map reach 1 of 255 (pseudo.nsrm); no pixel")


@pytest.mark.parametrize("value, share, said", [
    (31, 0.3, ["reach 32 of 255 nowhere"]),
    (32, 0.94, []),
    (31, 0.96, ["reach 32 of 255 nowhere", "reach 1 of 255 nearly everywhere"]),
    (32, 0.96, ["reach 32 of 255 nearly everywhere", "reach 1 of 255 nearly everywhere"]),
])  # fmt: skip
def test_many_maps_without_or_full_of_saliency(value, share, said):
    expected = [f"many saliency maps that {each}" for each in said]
    odd, sound = [level(value, share)] * 2, [level(200, 0.3)] * 17
    assert kinds([*odd, *sound]) == expected  # 2 of 19
    assert kinds([*odd, *sound, sound[0]]) == []  # 2 of 20


@pytest.fixture
def report(tiny_data, capsys):
    """Checks the tiny data set with other maps, one an image: (exit status, what was printed)."""

    def run(maps):
        for number, each in enumerate(maps):
            write_grey(tiny_data / f"saliency/n{number}.png", each)
            shutil.copy(tiny_data / "JPEGImages/a_simple.jpg", tiny_data / f"JPEGImages/n{number}.jpg")
        (tiny_data / "lists/train.txt").write_text("".join(f"n{number} 0\n" for number in range(len(maps))))
        for name in ("val", "test"):
            (tiny_data / f"lists/{name}.txt").unlink()
        with pytest.raises(SystemExit) as end:
            check.main(["--data", str(tiny_data), "--workers", "1"])
        return end.value.code, capsys.readouterr().out

    return run


@pytest.mark.parametrize("inverted", [False, True])
def test_inverted_saliency(report, inverted):
    maps = []
    for number in range(20):  # a quarter of the objects touches the border: the votes are not unanimous
        saliency = np.full((48, 64), 10, np.uint8)
        saliency[:, :8] = 240 if number % 4 == 0 else 10
        saliency[16:32, 20:44] = 10 if number % 4 == 0 else 240
        maps.append(255 - saliency if inverted else saliency)
    status, text = report(maps)
    assert status == inverted and (INVERTED in text) == inverted
    assert f"saliency: {15 if inverted else 5} of 20 maps are brighter at the border" in text


def test_the_command_says_what_is_worth_a_look(report):
    maps = [to_bytes(stretched(detected(number)))[:48, :64] for number in range(12)]
    status, text = report([*maps, np.full((48, 64), 9, np.uint8), np.full((48, 64), 8, np.uint8)])
    assert status == 0 and text.rstrip().endswith("faults: none")
    worth = text[text.index("\nworth a look\n") :]
    assert f"{SCALED}: 1\n    12 of the 12 maps" in worth and "maps of one value: 2\n" in worth
    assert "reach 32 of 255 nowhere: 1\n    2 of 14; for pseudo.background, all that has no attention" in worth
    assert "median map reach 32 of 255 (pseudo.background); no pixel in 2 of 14 maps" in text


def test_few_maps_or_flat_ones_convict_nobody():
    balance = Balance()
    for _ in range(4):
        balance.add((200.0, 10.0))
    assert not balance.inverted()
    balance.add((200.0, 10.0))
    assert balance.inverted()
    balance = Balance()
    for _ in range(100):
        balance.add((7.0, 7.0))
    assert not balance.inverted()


def test_border_and_centre():
    values = np.zeros((40, 60), np.uint8)
    values[4:-4, 6:-6] = 50
    values[10:30, 15:45] = 90
    assert border_and_centre(values) == (0.0, 90.0)
    assert border_and_centre(values[:3]) == (None, None)
    assert str(surveyed([values[15:18]])).startswith("saliency: 80% of the pixels")  # no word of its border
