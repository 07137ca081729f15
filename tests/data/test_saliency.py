"""data.saliency, with a network of one layer: the mean of the channels, then a sigmoid."""

import re
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from common.files.dataset import DataSet
from common.files.images import write_grey

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def write_network(path, last="Sigmoid", side=320):
    """Writes an ONNX network whose output is `last` of the channels' mean, (1, 1, side, side)."""
    floats = onnx.TensorProto.FLOAT
    image = onnx.helper.make_tensor_value_info("image", floats, [1, 3, side, side])
    map_ = onnx.helper.make_tensor_value_info("map", floats, [1, 1, side, side])
    mean = onnx.helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1], keepdims=1)
    nodes = [mean, onnx.helper.make_node(last, ["mean"], ["map"])]
    graph = onnx.helper.make_graph(nodes, "tiny", [image], [map_])
    opset = onnx.helper.make_opsetid("", 13)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), path)


def plain_map(path):
    """What write_network's network says of the image `path`, in double precision."""
    image = Image.open(path).convert("RGB")
    square = np.float64(image.resize((320, 320), Image.Resampling.LANCZOS))
    values = 1 / (1 + np.exp(-((square / square.max() - MEAN) / STD).mean(2)))
    return 255 * cv2.resize(values, image.size)


@pytest.fixture
def data(tiny_data):
    for path in (tiny_data / "saliency").iterdir():
        path.unlink()
    return DataSet(tiny_data)


@pytest.fixture
def make(data, in_process, tmp_path, capsys):
    """`make("--split", "val", status=2)` runs the command: (stdout, stderr)."""
    write_network(tmp_path / "tiny.onnx")

    def run(*more, weights="tiny.onnx", status=0):
        in_process("data.saliency", "--data", data.root, "--weights", tmp_path / weights, *more, status=status)
        return capsys.readouterr()

    return run


def test_maps_are_the_networks_values_and_existing_ones_are_left(data, make):
    write_grey(data.saliency_path("a_simple"), np.full((48, 64), 7, np.uint8))
    assert "3 maps -> " in make().out
    assert (data.saliency("a_simple") == 7).all()
    for id in ("b_simple", "c_complex", "d_complex"):
        found = data.saliency(id)  # of the image's size
        assert np.abs(found - plain_map(data.image_path(id))).max() < 0.51 and np.ptp(found) > 20
    assert "nothing to do" in make(weights="none.onnx").out


def test_a_split_alone(data, make):
    make("--split", "val")
    assert sorted(path.stem for path in (data.root / "saliency").iterdir()) == ["b_simple", "d_complex"]


def test_a_dark_image_has_a_map(data, make):
    Image.new("RGB", (64, 48)).save(data.image_path("a_simple"))
    make()
    assert np.ptp(data.saliency("a_simple")) == 0


def test_damaged_images_are_named_and_the_others_done(data, make):
    whole = data.image_path("a_simple").read_bytes()
    data.image_path("a_simple").write_bytes(whole[: len(whole) // 2])
    error = make(status=2).err
    assert "1 of 4 images have no map: " in error and "a_simple.jpg: expected a complete image" in error
    assert sorted(path.stem for path in (data.root / "saliency").iterdir()) == ["b_simple", "c_complex", "d_complex"]
    data.image_path("a_simple").write_bytes(whole)
    assert "1 maps -> " in make().out


def test_a_link_is_refused(data, make, tmp_path):
    (data.root / "saliency").rename(tmp_path / "published")
    (data.root / "saliency").symlink_to(tmp_path / "published")
    assert "saliency: expected a folder to write to, found a link to " in make(status=2).err
    assert not list((tmp_path / "published").iterdir())


def test_without_onnxruntime(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    error = make(status=2).err
    assert (
        error.startswith("data.saliency: error: onnxruntime is not installed: pip install") and error.count("\n") == 1
    )


def test_on_a_gpu_the_libraries_are_loaded_before_the_network(make, monkeypatch):
    import onnxruntime

    calls, session, gpu = [], onnxruntime.InferenceSession, ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def start(path, providers):
        calls.append(providers)
        return session(path, providers=providers[1:])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["TensorrtExecutionProvider", *gpu])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: calls.append("libraries"))
    monkeypatch.setattr(onnxruntime, "InferenceSession", start)
    assert make().err.endswith("data.saliency: onnxruntime cannot use the GPU, and takes the CPU\n")
    assert calls == ["libraries", gpu]


UNFIT = {
    "missing": (None, "tiny.onnx: no such file"),
    "damaged": (lambda path: path.write_bytes(b"<html>"), "tiny.onnx: expected a network in ONNX format"),
    "of another size": (lambda path: write_network(path, side=64), "tiny.onnx: .*Got: 320 Expected: 64"),
    "without sigmoid": (lambda path: write_network(path, "Neg"), "tiny.onnx: expected a network whose first output"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_unfit_networks_are_refused_in_one_line(data, make, tmp_path, kind):
    write, message = UNFIT[kind]
    (tmp_path / "tiny.onnx").unlink()
    if write:
        write(tmp_path / "tiny.onnx")
    error = make(status=2).err
    lines = [line for line in error.splitlines() if "onnxruntime:" not in line]  # its own log
    assert len(lines) == 1 and re.search(message, lines[0])
    assert not list((data.root / "saliency").iterdir())
