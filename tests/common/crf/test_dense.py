"""The CRF equals pydensecrf with either backend, on arrays and tensors; edge cases; classes left out; as on a GPU."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch

from common.crf.dense import (
    DEFAULTS,
    choose_backend,
    dense_crf,
    lattice_filters,
    likely_classes,
    mean_field,
    memory_of,
    resolve_backend,
    stays_on_device,
)
from common.crf.lattice import LONGEST_ROW
from stages.files import InputError
from tests.test_waits import NoWaiting

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")

ROUNDING = 1e-4  # of the probabilities, which is also far from the 0.01 that may differ
PARAMETERS = {
    "default": {},
    "wide": {"gaussian_sxy": 3, "bilateral_sxy": 160, "bilateral_srgb": 40, "bilateral_weight": 10},
    "narrow": {"bilateral_sxy": 20, "bilateral_srgb": 13, "iterations": 4},
    "fractions": {"gaussian_sxy": 0.7, "gaussian_weight": 1.5, "bilateral_sxy": 33.3, "bilateral_srgb": 2.7},
    "without smoothness": {"gaussian_weight": 0},
    "without appearance": {"bilateral_weight": 0},
    "without either": {"gaussian_weight": 0, "bilateral_weight": 0},
    "no iteration": {"iterations": 0},
}


@pytest.fixture
def case():
    """(image, probabilities): 5 classes, 40x56, of which class 2 stays below 0.2 and class 4 below 0.01."""
    return draw("smooth", 40, 56, 5)


def draw(kind, height, width, classes):
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:height, :width]
    image = {
        "noise": rng.integers(0, 256, (height, width, 3)),
        "smooth": np.stack([2 * x + y, 3 * y, 40 + np.sin(x / 5) * 30], 2) + rng.normal(0, 2, (height, width, 3)),
        "constant": np.full((height, width, 3), 130),
        "flat": np.stack([40 + 150 * (x > width / 2), 90 + 60 * (y > height / 3), 120 + 0 * x], 2),
    }[kind]
    waves = np.cos(np.arange(classes)[:, None, None] + x / 9 + y / 7)
    logits = 3 * waves + rng.normal(0, 0.5, waves.shape)
    if classes == 5:
        logits[2], logits[4] = -2, -9
    exp = np.exp(logits)
    return image.clip(0, 255).astype(np.uint8), (exp / exp.sum(0)).astype(np.float32)


def assert_same(found, expected):
    assert found.shape == expected.shape and found.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=ROUNDING, rtol=0)
    assert (found.argmax(0) == expected.argmax(0)).mean() >= 0.9999


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """Lattices on the CPU have the matrices of a GPU's."""
    monkeypatch.setitem(LONGEST_ROW, "cpu", LONGEST_ROW["cuda"])


def assert_golden(golden, result_of):
    for number in range(6):
        inputs = (golden[f"case_{number}/{name}"] for name in ("image", "probabilities"))
        parameters = golden[f"case_{number}/parameters"].tolist()
        assert_same(result_of(*inputs, *parameters), golden[f"case_{number}/result"])


@pytest.mark.parametrize("backend", ["lattice", "pydensecrf"])
def test_golden(golden_file, backend):
    if backend == "pydensecrf":
        pytest.importorskip("pydensecrf")
    assert_golden(golden_file("crf"), lambda *given: dense_crf(*given, backend=backend))


def test_golden_as_on_a_gpu(golden_file, as_on_a_gpu):
    assert_golden(golden_file("crf"), lambda *given: dense_crf(*given, backend="lattice"))


@needs_gpu
def test_golden_on_a_gpu(golden_file):
    def on_gpu(image, probabilities, *parameters):
        tensors = (torch.from_numpy(each).cuda() for each in (image, probabilities))
        return dense_crf(*tensors, *parameters).cpu().numpy()

    assert_golden(golden_file("crf"), on_gpu)


@pytest.mark.parametrize("changes", PARAMETERS.values(), ids=PARAMETERS)
def test_the_lattice_equals_pydensecrf_for_all_parameters(case, changes):
    pytest.importorskip("pydensecrf")
    sides = (dense_crf(*case, **DEFAULTS | changes, backend=backend) for backend in ("lattice", "pydensecrf"))
    assert_same(*sides)


@pytest.mark.parametrize(
    "kind, height, width, classes",
    [("noise", 96, 128, 3), ("constant", 60, 80, 21), ("smooth", 1, 50, 2), ("noise", 50, 1, 4), ("noise", 1, 1, 3)]
    + [("smooth", 30, 41, 1), ("noise", 20, 20, 40)],
)
def test_the_lattice_equals_pydensecrf_for_all_images(kind, height, width, classes):
    pytest.importorskip("pydensecrf")
    inputs = draw(kind, height, width, classes)
    assert_same(*(dense_crf(*inputs, **DEFAULTS, backend=backend) for backend in ("lattice", "pydensecrf")))


def test_each_rounding_is_pydensecrfs():
    """Another one differs by 6e-6 or more here, and in a large image by more than 0.01 at a pixel or two."""
    pytest.importorskip("pydensecrf")
    inputs = draw("smooth", 90, 120, 2)
    sides = [dense_crf(*inputs, **DEFAULTS | {"iterations": 3}, backend=name) for name in ("lattice", "pydensecrf")]
    np.testing.assert_allclose(*sides, atol=3e-6, rtol=0)


@pytest.mark.parametrize("backend", ["lattice", "pydensecrf"])
def test_probabilities_of_0_and_1(backend):
    if backend == "pydensecrf":
        pytest.importorskip("pydensecrf")
    image, probabilities = draw("constant", 9, 12, 3)
    label = probabilities.argmax(0)
    certain = np.eye(3, dtype=np.float32)[label].transpose(2, 0, 1)
    untouched = dense_crf(image, certain, **DEFAULTS | {"iterations": 0}, backend=backend)
    np.testing.assert_allclose(untouched, certain, atol=3e-5)  # 1e-5 for 0
    result = dense_crf(image, certain, **DEFAULTS, backend=backend)
    np.testing.assert_allclose(result.sum(0), 1, atol=1e-5)


@pytest.mark.parametrize("backend", ["lattice", "pydensecrf", "auto"])
@pytest.mark.parametrize("min_probability", [0, 0.2])
def test_tensors_give_a_tensor(case, backend, min_probability):
    if backend == "pydensecrf":
        pytest.importorskip("pydensecrf")
    options = DEFAULTS | {"backend": backend, "min_probability": min_probability}
    tensors = [torch.from_numpy(each) for each in case]
    result = dense_crf(*tensors, **options)
    assert isinstance(result, torch.Tensor) and result.dtype == torch.float32
    assert (result.numpy() == dense_crf(*case, **options)).all()
    assert (tensors[1].numpy() == case[1]).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("backend", ["lattice", "auto"])
def test_arrays_may_be_views_and_read_only(case, backend):
    image, probabilities = case
    views = image[:, ::-1], np.asfortranarray(probabilities)[:, :, ::-1]
    copies = [np.ascontiguousarray(view) for view in views]
    options = DEFAULTS | {"backend": backend}
    expected = dense_crf(*copies, **options)
    for inputs in (views, copies):
        for array in inputs:
            array.flags.writeable = False
        assert (dense_crf(*inputs, **options) == expected).all()


@pytest.mark.parametrize("backend", ["lattice", "auto"])
def test_improbable_classes_are_left_out(case, backend):
    image, probabilities = case
    assert 0.01 < probabilities[2].max() < 0.2 and probabilities[4].max() < 0.01
    options = DEFAULTS | {"backend": backend}
    for least, kept in ((0.01, [0, 1, 2, 3]), (0.2, [0, 1, 3])):
        result = dense_crf(image, probabilities, **options, min_probability=least)
        assert result.shape == probabilities.shape and result.dtype == np.float32
        assert (result[kept] == dense_crf(image, probabilities[kept], **options)).all()
        assert not np.delete(result, kept, 0).any()


@pytest.mark.parametrize("backend", ["lattice", "auto"])
@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
def test_several_for_one_image_are_each_alone(case, backend, kind):
    image, probabilities = case
    several = np.stack([probabilities, probabilities[::-1], np.roll(probabilities, 3, 2)])
    result = np.asarray(dense_crf(kind(image), kind(several), **DEFAULTS, backend=backend))
    assert result.shape == several.shape and result.dtype == np.float32
    for found, each in zip(result, several):
        np.testing.assert_allclose(found, dense_crf(image, each, **DEFAULTS, backend=backend), atol=1e-6)
    assert abs(result[0] - result[2]).max() > 0.1
    with pytest.raises(ValueError, match="minimum probability"):
        dense_crf(kind(image), kind(several), **DEFAULTS, backend=backend, min_probability=0.1)


def test_the_most_probable_class_stays():
    probabilities = np.array([0.2, 0.5, 0.3], np.float32)[:, None, None].repeat(2, 2)
    for kind in (np.asarray, torch.tensor):
        assert likely_classes(kind(probabilities), 0.9).tolist() == [False, True, False]
        assert likely_classes(kind(probabilities), 0.2).tolist() == [False, True, True]  # exceeds, so not 0.2 itself
    image = np.zeros((1, 2, 3), np.uint8)
    result = dense_crf(image, probabilities, **DEFAULTS, backend="lattice", min_probability=0.9)
    assert result[:, 0, 0].tolist() == [0, 1, 0]


TAKEN = """
import os, sys
os.environ["OMP_NUM_THREADS"] = "1"
import numpy as np
from common.crf.dense import DEFAULTS, dense_crf, memory_of
classes, rng = int(sys.argv[2]), np.random.default_rng(0)
image = rng.integers(0, 256, (300, 400, 3)).astype(np.uint8)
probabilities = rng.random((classes, 300, 400), np.float32)
probabilities /= probabilities.sum(0)
dense_crf(image, probabilities, **DEFAULTS | {"iterations": 1}, backend=sys.argv[1])
status = dict(line.split()[:2] for line in open("/proc/self/status") if line.endswith(" kB\\n"))
taken = int(status["VmHWM:"]) - int(status["RssFile:"])  # files' pages are shared by all processes
print(1024 * taken / memory_of(sys.argv[1], 300 * 400, classes))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux")
@pytest.mark.parametrize("backend", ["lattice", "pydensecrf"])
def test_it_takes_the_estimated_memory(backend):
    if backend == "pydensecrf":
        pytest.importorskip("pydensecrf")
    for classes in (5, 60):
        call = [sys.executable, "-c", TAKEN, backend, str(classes)]
        share = float(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
        assert 0.5 < share < 1.15
    assert memory_of(backend, 480 * 640, 81, 0.05) < 0.6 * memory_of(backend, 480 * 640, 81)


def test_auto_is_pydensecrf_on_a_cpu_and_ours_on_a_gpu():
    pytest.importorskip("pydensecrf")
    assert choose_backend("auto") == choose_backend("auto", "cpu") == "pydensecrf"
    assert choose_backend("auto", "cuda") == choose_backend("lattice", "cpu") == "lattice"
    assert choose_backend("pydensecrf", "cuda") == "pydensecrf"
    assert stays_on_device(torch.device("cuda"), {"backend": "lattice"})
    assert not stays_on_device(torch.device("cuda"), {"backend": "pydensecrf"})


def test_without_pydensecrf(monkeypatch, case):
    for name in ("pydensecrf", "pydensecrf.densecrf"):
        monkeypatch.setitem(sys.modules, name, None)
    assert choose_backend("auto") == "lattice"
    assert (dense_crf(*case, **DEFAULTS) == dense_crf(*case, **DEFAULTS, backend="lattice")).all()
    with pytest.raises(InputError, match="requirements-crf.txt") as error:
        dense_crf(*case, **DEFAULTS, backend="pydensecrf")
    assert "\n" not in str(error.value)


def test_auto_is_what_the_folder_was_begun_with(monkeypatch):
    monkeypatch.setattr("common.crf.dense.choose_backend", lambda backend, device: f"chosen on {device}")
    args = Namespace(crf_backend="auto", device="cpu")
    for recorded in (None, {}, {"crf_backend": "auto"}):  # of a stage without a CRF
        assert resolve_backend(args, recorded) == {"crf_backend": "chosen on cpu"}
    assert resolve_backend(args, {"crf_backend": "lattice"}) == {"crf_backend": "lattice"}
    assert resolve_backend(Namespace(crf_backend="lattice"), {"crf_backend": "pydensecrf"}) == {}


def kernels(image):
    """lattice_filters with the published parameters."""
    return lattice_filters(image, (1, 3), (67, 3, 4))


def longest_row(filters):
    return max(int(matrix.starts.diff().max()) for filter in filters for matrix in filter.matrices)


def test_split_rows_change_nothing(as_on_a_gpu, monkeypatch):
    """Of an image whose flat areas put thousands of pixels around one vertex."""
    image, probabilities = (torch.from_numpy(each) for each in draw("flat", 120, 160, 5))
    filters = kernels(image)
    found = mean_field(filters, probabilities, 10)
    assert longest_row(filters) <= 64
    assert torch.equal(mean_field(kernels(image), probabilities, 10), found)
    monkeypatch.undo()
    whole = kernels(image)
    assert longest_row(whole) > 2000
    expected = mean_field(whole, probabilities, 10)
    assert torch.equal(found.argmax(0), expected.argmax(0)) and len(expected.argmax(0).unique()) > 1
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    values = probabilities.flatten(1).T.contiguous()
    for split, filter in zip(filters, whole):
        torch.testing.assert_close(split(values), filter(values), atol=1e-5, rtol=1e-5)


def test_no_iteration_waits_for_a_gpu(case, as_on_a_gpu):
    image, probabilities = (torch.from_numpy(each) for each in case)
    filters = kernels(image)
    with NoWaiting():
        found = mean_field(filters, probabilities, 10)
    assert found.shape == probabilities.shape and found.isfinite().all()


def test_pydensecrf_needs_no_torch():
    pytest.importorskip("pydensecrf")
    code = """
import sys
import numpy as np
from common.crf.dense import DEFAULTS, dense_crf
dense_crf(np.zeros((4, 5, 3), np.uint8), np.full((2, 4, 5), 0.5, np.float32), **DEFAULTS, min_probability=0.1)
assert "pydensecrf" in sys.modules and "torch" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
