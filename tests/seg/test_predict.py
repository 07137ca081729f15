"""seg.predict: the ends of its path, data sets or photographs, labels alone or overlays, and what lies between them."""

import json
from argparse import Namespace

import numpy as np
import pytest
import torch
from PIL import Image

from common.crf.dense import DEFAULTS, memory_of
from common.files.dataset import DataSet
from common.files.images import VOC_PALETTE, read_indexed
from common.files.photographs import Photograph, PhotographFolder
from common.files.preprocess import normalise
from common.training import checkpoint
from seg.dataset import WholeImages, load_whole
from seg.deeplab import MultiScale, build
from seg.inference import labels_on_device, load_deeplab, logits_of, logits_on_cpu, outputs_of
from seg.predict import parser, reads_of, run
from stages.files import InputError
from tests.outputs import contents
from tests.seg.conftest import ARCH

IDS = ["a_simple", "c_complex", "d_complex", "b_simple"]  # in batches of one size
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


# Between the ends


class EighthPixel(torch.nn.Module):
    """A network that gives each eighth pixel of its input as the logits, and keeps the sizes of its batches."""

    def __init__(self):
        super().__init__()
        self.batches, self.base = [], Namespace(arch=Namespace(convention="torchvision"))

    def forward(self, images):
        self.batches.append(len(images))
        return images[:, :, ::8, ::8]


def loader_of(tiny_data, device, batch_size=2, workers=0):
    dataset = DataSet(tiny_data)
    images = [Photograph(item.id, dataset.image_path(item.id)) for item in dataset.split("train")]
    return load_whole(WholeImages(dataset, images), batch_size, workers, device, 8)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("device", DEVICES)
def test_every_image_gets_its_own_logits(tiny_data, device, workers):
    network, device = EighthPixel(), torch.device(device)
    batches = (
        (keys, rgbs, *logits_of(network, rgbs, device)) for keys, rgbs in loader_of(tiny_data, device, 2, workers)
    )
    outputs = list(logits_on_cpu(batches))
    assert sorted(output.key.id for output in outputs) == sorted(IDS) and network.batches == [2, 1, 1]
    for (id, path), rgb, logits in outputs:
        assert path == tiny_data / "JPEGImages" / f"{id}.jpg"
        np.testing.assert_array_equal(rgb, DataSet(tiny_data).image(id))
        expected = normalise(torch.from_numpy(rgb)[None], "torchvision")[0, :, ::8, ::8].permute(1, 2, 0)
        np.testing.assert_allclose(logits, expected, rtol=1e-6)


def test_the_network_is_one_batch_ahead_and_no_more(tiny_data):
    network, device = EighthPixel(), torch.device("cpu")
    outputs = outputs_of(network, loader_of(tiny_data, device, 1), device)
    assert [len(network.batches) for _ in outputs] == [2, 3, 4, 4]


@pytest.mark.parametrize("crf", [None, DEFAULTS | {"backend": "lattice"}])
@pytest.mark.parametrize("device", DEVICES)
def test_labels_made_on_the_device_are_those_made_by_processes(tiny_data, device, crf):
    network, device = EighthPixel(), torch.device(device)
    batches = ((keys, rgbs, *logits_of(network, rgbs, device)) for keys, rgbs in loader_of(tiny_data, device))
    labels = {output.key.id: output.label(crf) for output in labels_on_device(batches, crf)}
    cpu = torch.device("cpu")
    for output in outputs_of(EighthPixel(), loader_of(tiny_data, cpu), cpu, False, crf):
        label = labels.pop(output.key.id)
        assert label.dtype == np.uint8 and (label == output.label(crf)).mean() > 0.999
    assert not labels


@pytest.mark.parametrize("more, least", [([], 0), (["--crf"], 0), (["--crf", "--crf-min-probability", 0.05], 0.05)])
def test_the_crf_keeps_to_its_memory(tiny_data, tmp_path, weights, monkeypatch, more, least):
    needs, dataset = [], DataSet(tiny_data)

    def for_each(write, outputs, workers, description, total, memory):
        needs.extend((memory.limit, memory.of(output)) if memory else None for output in outputs)

    monkeypatch.setattr("seg.predict.for_each", for_each)
    more = (*more, "--crf-memory", 3, "--crf-backend", "lattice")
    predict(["--data", tiny_data, "--split", "val"], weights, tmp_path / "pred", *more)
    pixels = [np.prod(dataset.image_size(item.id)) for item in dataset.split("val")]
    expected = [(3 * 2**30, memory_of("lattice", each, 1 + len(dataset.classes), least)) for each in pixels]
    assert needs == expected if "--crf" in more else needs == [None] * len(pixels)


# Both ends


SIZES = {"ete_1": (64, 48), "b": (40, 56), "c": (48, 64)}  # (H, W) of the upright photographs


def predict(source, weights, out, *more):
    """Runs the command in this process; returns its arguments and its summary."""
    out.mkdir(exist_ok=True)
    words = [*source, "--weights", weights, "--out", out, "--device", "cpu", "--workers", 0, *more]
    args = parser().parse_args([str(word) for word in words])
    return args, run(args)


def test_every_image_once_in_its_own_size_whatever_the_processes(tiny_data, tmp_path, weights, monkeypatch):
    source = ["--data", tiny_data, "--split", "train"]
    for cores in (1, 2):
        monkeypatch.setattr("seg.predict.cores", lambda cores=cores: cores)
        assert predict(source, weights, tmp_path / f"pred{cores}", "--workers", 2 * cores - 2)[1] == "4 images"
    assert contents(tmp_path / "pred1") == contents(tmp_path / "pred2")
    labels = {id: read_indexed(tmp_path / "pred1" / f"{id}.png") for id in IDS}
    assert {id: label.shape for id, label in labels.items()} == {id: DataSet(tiny_data).image_size(id) for id in IDS}
    assert len(np.unique(np.concatenate([label.ravel() for label in labels.values()]))) > 1


def test_photographs_need_no_data_set(photos, tmp_path, weights, capsys, no_processes):
    args, summary = predict(["--images", photos], weights, tmp_path / "pred")
    assert summary == "3 photographs"
    said = capsys.readouterr().out
    assert "passed over (1): notes.txt" in said and "names.csv (1): Été (1).JPG is ete_1" in said
    assert reads_of(args)["images"].files == ["b.png", "c.webp", "Été (1).JPG"]
    pictures = {f"{id}{ending}" for id in SIZES for ending in (".png", "_overlay.jpg")}
    assert contents(tmp_path / "pred").keys() == pictures | {"classes.txt", "names.csv"}
    assert (tmp_path / "pred/classes.txt").read_text() == "class 1\nclass 2\nclass 3\n"
    assert (tmp_path / "pred/names.csv").read_text() == "file,id\nÉté (1).JPG,ete_1\n"
    for id, size in SIZES.items():
        label = read_indexed(tmp_path / "pred" / f"{id}.png")
        assert label.shape == size
        check_overlay(tmp_path / "pred" / f"{id}_overlay.jpg", PhotographFolder(photos).image(id), label)
    assert len(np.unique(read_indexed(tmp_path / "pred/c.png"))) > 1


def check_overlay(path, rgb, label):
    """Where the label has a class, the photograph is mixed with its colour; elsewhere it is as it was."""
    height, width = label.shape
    with Image.open(path) as image:
        found = np.asarray(image)
    assert found.shape[0] > height and found.shape[1] >= width
    palette = np.array(VOC_PALETTE, np.float32).reshape(256, 3)
    expected = np.where((label > 0)[..., None], (rgb + palette[label]) / 2, rgb)
    assert np.abs(found[:height, :width] - expected).mean() < 6 < np.abs(rgb - expected).mean() + 6 * (label == 0).all()


def test_photographs_are_predicted_as_images_of_a_data_set(tmp_path, weights, tiny_data, no_processes):
    crf = ["--crf", "--crf-iterations", 2, "--crf-backend", "lattice"]
    predict(["--data", tiny_data, "--split", "train"], weights, tmp_path / "first", *crf)
    predict(["--images", tiny_data / "JPEGImages"], weights, tmp_path / "second", *crf)
    first, second = contents(tmp_path / "first"), contents(tmp_path / "second")
    assert len(first) == 4 and first.items() <= second.items()


def test_large_photographs_are_predicted_shrunk(photos, tmp_path, weights, no_processes):
    predict(["--images", photos], weights, tmp_path / "pred", "--longest", 32)
    for id, size in SIZES.items():
        assert read_indexed(tmp_path / "pred" / f"{id}.png").shape == size
    (tmp_path / "small").mkdir()
    Image.fromarray(PhotographFolder(photos, 32).image("c")).save(tmp_path / "small/c.png")
    predict(["--images", tmp_path / "small"], weights, tmp_path / "pred_small")
    expected = read_indexed(tmp_path / "pred_small/c.png").repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(read_indexed(tmp_path / "pred/c.png"), expected)


@pytest.mark.parametrize("lost, kept", [
    (["a_simple.png"], "b_simple.png"), (["b_simple_overlay.jpg", "d_complex.png"], "a_simple_overlay.jpg"),
])  # fmt: skip
def test_goes_on_where_it_stopped(tiny_data, tmp_path, weights, no_processes, lost, kept):
    of = ["--data", tiny_data, "--split", "train"] if len(lost) == 1 else ["--images", tiny_data / "JPEGImages"]
    predict(of, weights, tmp_path / "pred", "--batch-size", 1)
    before, written = contents(tmp_path / "pred"), (tmp_path / "pred" / kept).stat().st_mtime_ns
    for name in lost:
        (tmp_path / "pred" / name).unlink()
    predict(of, weights, tmp_path / "pred", "--batch-size", 1)
    assert contents(tmp_path / "pred") == before and (tmp_path / "pred" / kept).stat().st_mtime_ns == written


def test_the_record_of_photographs(run_command, photos, tmp_path, weights):
    command = ("--images", photos, "--weights", weights, "--out", tmp_path / "pred", "--device", "cpu", "--workers", 0)
    for words in ("3 photographs", "nothing to do"):
        result = run_command("seg.predict", *command)
        assert result.returncode == 0 and words in result.stdout, result.stderr
        (photos / "new.txt").touch()  # no photograph: no change
    arguments = json.loads((tmp_path / "pred/stage.json").read_text())["arguments"]
    assert arguments["images"] == str(photos) and arguments["data"] is arguments["split"] is None


# Weights and pictures


def test_class_names(tmp_path):
    state = MultiScale(build(**ARCH)).state_dict()
    numbers = ["class 1", "class 2", "class 3"]
    for given, names in (
        ([], numbers),
        (["a", "b", "c"], ["a", "b", "c"]),
        (["a", "b"], numbers),
        (["two\nlines", "b", "\ud800"], ["two lines", "b", "?"]),
        ([" ", "b", "c"], numbers),
    ):
        checkpoint.save(tmp_path / "weights.pth", arch=ARCH | {"class_names": given}, pyramid=[], state_dict=state)
        assert load_deeplab(tmp_path / "weights.pth")[1] == names
    published = {"backbone": "resnet101", "convention": "caffe", "blocks": [1, 1, 1, 1], "width": 1}
    for classes in (3, 20):
        torch.save(build(**published, classes=classes).state_dict(), tmp_path / f"{classes}.pth")
    assert load_deeplab(tmp_path / "3.pth")[1] == numbers
    names = load_deeplab(tmp_path / "20.pth")[1]
    assert names[0] == "aeroplane" and names[-1] == "tvmonitor" and len(names) == 20
    with pytest.raises(InputError, match="20.pth: expected the data set's 3 classes, found 20"):
        load_deeplab(tmp_path / "20.pth", classes=3)
