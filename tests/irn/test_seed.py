"""irn.seed: the rule by closed cases and by a slow composition, and the command."""

import numpy as np
import pytest
import torch

from common.crf.dense import dense_crf, memory_of
from common.files.dataset import DataSet
from common.files.images import read_indexed, write_grey
from common.files.maps import read_maps
from irn.seed import CRF, agreement, parser, refine_seed, run
from tests.outputs import contents

NO_CRF = {"iterations": 0}  # the labels as they are
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture
def scene():
    """An image uint8 (24, 32, 3) of a red block before noise, and maps of classes 4 and 1 that spill over its edges."""
    image = np.random.default_rng(0).integers(90, 130, (24, 32, 3), dtype=np.uint8)
    image[6:18, 8:20] = (220, 30, 30)
    rows, columns = np.mgrid[:24, :32]
    bumps = {cls: np.exp(-((rows - 12) ** 2 + (columns - centre) ** 2) / 60) for cls, centre in ((4, 12), (1, 27))}
    return image, {cls: (scale * bumps[cls]).astype(np.uint8) for cls, scale in ((4, 255), (1, 90))}


def test_where_the_two_thresholds_disagree_only_an_object_of_the_loose_one_is_ignored():
    both = np.array([[[0, 0, 1, 2, 1]], [[0, 1, 1, 1, 0]]])  # strict, loose, after the CRF
    assert agreement(both, [5, 3]).tolist() == [[0, 255, 4, 6, 4]]


def slow_seed(image, maps, strict, loose, confidence, absolute, crf):
    """The rule pixel by pixel, as FBR's description has it."""
    classes = sorted(maps)
    found = []
    for background in (strict, loose):
        probabilities = np.empty((len(classes) + 1, *image.shape[:2]), np.float32)
        for y, x in np.ndindex(image.shape[:2]):
            tops = {cls: 255 if absolute else float(maps[cls].max()) + 1e-5 for cls in classes}
            scores = [background] + [float(maps[cls][y, x]) / tops[cls] for cls in classes]
            label = scores.index(max(scores))
            for each in range(len(scores)):
                probabilities[each, y, x] = confidence if each == label else (1 - confidence) / len(classes)
        found.append(dense_crf(image, probabilities, *crf.values(), backend="lattice").argmax(0))
    seed = np.full(image.shape[:2], 255, np.uint8)
    for y, x in np.ndindex(seed.shape):
        if found[0][y, x] > 0:
            seed[y, x] = classes[found[0][y, x] - 1] + 1
        elif found[1][y, x] == 0:
            seed[y, x] = 0
    return seed


SMALL = {"gaussian_sxy": 1, "bilateral_sxy": 4, "bilateral_weight": 3}  # for a small image


@pytest.mark.parametrize(
    "strict, loose, confidence, absolute, more",
    [
        (0.3, 0.05, 0.7, False, SMALL),
        (0.6, 0.2, 0.6, False, SMALL | {"iterations": 3}),
        (0.25, 0.1, 0.7, True, SMALL),
    ],
)
def test_equals_the_slow_composition(scene, strict, loose, confidence, absolute, more):
    image, maps = scene
    expected = slow_seed(image, maps, strict, loose, confidence, absolute, CRF | more)
    seed = refine_seed(image, maps, strict, loose, confidence, absolute, backend="lattice", **more)
    np.testing.assert_array_equal(seed, expected)
    assert set(np.unique(seed)) == {0, 2, 5, 255}, "a case that lacks a value proves less"
    assert not np.array_equal(seed, refine_seed(image, maps, strict, loose, confidence, absolute, **NO_CRF))
    assert not np.array_equal(seed, refine_seed(image, maps, strict, loose, confidence, not absolute, **more))


@pytest.fixture
def maps(tiny_data, tmp_path):
    """A folder of random maps (6, 8) for the tiny data, without one of d_complex."""
    (tmp_path / "cam").mkdir()
    rng = np.random.default_rng(0)
    for item in DataSet(tiny_data).split("train"):
        for cls in item.classes:
            if (item.id, cls) != ("d_complex", 1):
                write_grey(tmp_path / "cam" / f"{item.id}_{cls}.png", rng.integers(0, 200, (6, 8), dtype=np.uint8))
    return tmp_path / "cam"


def options(tiny_data, maps, out, *more):
    return list(map(str, ["--data", tiny_data, "--split", "train", "--maps", maps, "--out", out, *more]))


LATTICE = ("--crf-backend", "lattice")


def test_command_writes_the_seeds_that_its_options_ask_for(tiny_data, maps, tmp_path):
    more = ("--strict", 0.4, "--loose", 0.1, "--confidence", 0.8, "--crf-bilateral-srgb", 9, "--workers", 2, *LATTICE)
    more += ("--absolute",)
    (tmp_path / "out").mkdir()
    run(parser().parse_args(options(tiny_data, maps, tmp_path / "out", *more)))
    dataset = DataSet(tiny_data)
    for item in dataset.split("train"):
        image = dataset.image(item.id)
        found = read_maps(maps, item, image.shape[:2])
        expected = refine_seed(image, found, 0.4, 0.1, 0.8, absolute=True, bilateral_srgb=9, backend="lattice")
        np.testing.assert_array_equal(read_indexed(tmp_path / "out" / f"{item.id}.png"), expected)


@pytest.mark.parametrize("fixture", [(), ("on_device",)], ids=["processes", "device"])
def test_goes_on_where_it_stopped(tiny_data, maps, tmp_path, request, fixture):
    for name in fixture:
        request.getfixturevalue(name)
    args = parser().parse_args(
        options(tiny_data, maps, tmp_path / "out", "--workers", 1, "--crf-iterations", 1, *LATTICE)
    )
    args.out.mkdir()
    assert run(args) == "4 labels"
    before = contents(args.out)
    lost, kept = args.out / "c_complex.png", args.out / "a_simple.png"
    lost.write_bytes(lost.read_bytes()[:40])  # the machine stopped
    time = kept.stat().st_mtime_ns
    run(args)
    assert contents(args.out) == before and kept.stat().st_mtime_ns == time


@pytest.fixture
def on_device(monkeypatch):
    """Seeds are made as on a GPU, whatever the device."""
    monkeypatch.setattr("irn.seed.stays_on_device", lambda device, crf: True)
    monkeypatch.setattr("irn.seed.write_seeds", None)  # the other way
    monkeypatch.setattr("irn.seed.cores", lambda: 1)  # no processes that write


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_seeds_made_on_the_device_are_those_made_by_processes(tiny_data, maps, tmp_path, request, device, workers):
    more = "--crf-backend", "lattice", "--confidence", 0.8, "--crf-bilateral-sxy", 9, "--loose", 0.2
    more += ("--absolute",)
    folders = tmp_path / "cpu", tmp_path / "device"
    for folder in folders:
        folder.mkdir()
    run(parser().parse_args(options(tiny_data, maps, folders[0], *more, "--workers", 1, "--device", "cpu")))
    request.getfixturevalue("on_device")
    args = parser().parse_args(options(tiny_data, maps, folders[1], *more, "--workers", workers, "--device", device))
    assert run(args) == "4 labels"
    expected, found = (contents(folder) for folder in folders)
    assert device == "cuda" or found == expected
    labels = [[read_indexed(folder / name) for folder in folders] for name in expected]
    assert all((one == other).mean() > 0.999 for one, other in labels) and len(labels) == 4
    assert {0, 1, 255} < set(np.unique(np.concatenate([one.ravel() for one, _ in labels])))


def test_the_crf_keeps_to_its_memory(tiny_data, maps, tmp_path, monkeypatch):
    needs = {}

    def for_each(write, items, workers, description, memory):
        needs.update({item.id: (memory.limit, memory.of(item)) for item in items})

    monkeypatch.setattr("common.files.label_rules.for_each", for_each)
    told = options(tiny_data, maps, tmp_path / "out", "--crf-memory", 2, "--crf-backend", "lattice")
    run(parser().parse_args(told))
    dataset = DataSet(tiny_data)
    for item in dataset.split("train"):
        pixels, classes = np.prod(dataset.image_size(item.id)), 1 + len(item.classes)
        assert needs[item.id] == (2 * 2**30, memory_of("lattice", pixels, 2 * classes))
