"""seg.predict: batches, and what becomes of the logits, with and without processes and CRF."""

import json
from argparse import Namespace

import numpy as np
import pytest
import torch
from PIL import Image

from common.crf.dense import DEFAULTS, choose_backend, memory_of
from common.files.dataset import DataSet
from common.files.images import VOC_PALETTE, read_indexed
from common.files.photographs import PhotographFolder
from common.files.preprocess import normalise
from common.training import checkpoint
from common.training.loading import batches_of_one_size
from seg.dataset import WholeImages
from seg.deeplab import MultiScale, build
from seg.inference import load_deeplab
from seg.overlay import overlay
from seg.predict import (
    labels_on_device,
    load_network,
    logits_on_cpu,
    network_outputs,
    parser,
    reads_of,
    run,
    settle,
    write_from_logits,
)
from stages.files import InputError

ARCH = {
    "backbone": "vgg16",
    "classes": 3,
    "channels": [4, 4, 4, 4, 4],
    "depths": [1] * 5,
    "fc_channels": 4,
    "rates": [1],
}


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(0)
    model = MultiScale(build(**ARCH))
    model.base.aspp.c0.fc8.weight.data *= 100  # so that not every pixel is the same class
    checkpoint.save(tmp_path / "weights.pth", arch=ARCH, pyramid=[0.5, 0.75], state_dict=model.state_dict())
    return tmp_path / "weights.pth"


def test_batches_hold_one_size_each_index_once_and_come_as_soon_as_they_are_full():
    read = []
    sizes = (read.append(size) or size for size in [(2, 3), (3, 2), (2, 3), (2, 3), (3, 2), (2, 3), (2, 2), (2, 3)])
    batches = batches_of_one_size(sizes, 2)
    assert next(batches) == [0, 2] and len(read) == 3
    assert list(batches) == [[1, 4], [3, 5], [6], [7]]


class EighthPixel(torch.nn.Module):
    """A network that gives each eighth pixel of its input as the logits, and keeps the sizes of its batches."""

    def __init__(self):
        super().__init__()
        self.batches, self.base = [], Namespace(arch=Namespace(convention="torchvision"))

    def forward(self, images):
        self.batches.append(len(images))
        return images[:, :, ::8, ::8]


def outputs_of(tiny_data, network, device, batches, workers=0):
    dataset = DataSet(tiny_data)
    images = WholeImages(dataset, dataset.split("train"))
    args = Namespace(amp=False, workers=workers)
    return network_outputs(args, network, images, batches, torch.device(device))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_every_image_gets_its_own_logits(tiny_data, device, workers):
    network = EighthPixel()
    outputs = list(logits_on_cpu(outputs_of(tiny_data, network, device, [[2, 0], [3], [1]], workers)))
    assert [id for id, _, _ in outputs] == ["c_complex", "a_simple", "d_complex", "b_simple"]
    assert network.batches == [2, 1, 1]
    for id, rgb, logits in outputs:
        np.testing.assert_array_equal(rgb, DataSet(tiny_data).image(id))
        expected = normalise(torch.from_numpy(rgb)[None], "torchvision")[0, :, ::8, ::8].permute(1, 2, 0)
        np.testing.assert_allclose(logits, expected, rtol=1e-6)


def test_the_network_is_one_batch_ahead_and_no_more(tiny_data):
    network = EighthPixel()
    outputs = logits_on_cpu(outputs_of(tiny_data, network, "cpu", [[0], [1], [2], [3]]))
    assert [len(network.batches) for _ in outputs] == [2, 3, 4, 4]


def test_logits_are_resized_before_the_maximum(tmp_path):
    logits = np.zeros((2, 2, 2), np.float32)
    logits[:, 1, 1] = 1  # class 1 wins to the right of the middle
    logits[:, :, 0] = 0.5
    write_from_logits(tmp_path, None, ("a", np.zeros((4, 8, 3), np.uint8), logits))
    label = read_indexed(tmp_path / "a.png")
    assert label.shape == (4, 8) and (label[:, :4] == 0).all() and (label[:, 4:] == 1).all()


def test_crf_uses_the_image(tmp_path):
    image = np.zeros((24, 32, 3), np.uint8)
    image[:, 20:] = 255  # an edge, a little off where the logits see it
    logits = np.zeros((3, 4, 2), np.float32)
    logits[:, :2, 0] = logits[:, 2:, 1] = 3
    for crf, name in ((None, "plain"), (DEFAULTS, "crf")):
        write_from_logits(tmp_path, crf, (name, image, logits))
    assert (read_indexed(tmp_path / "plain.png")[:, 19] == 1).all()
    snapped = read_indexed(tmp_path / "crf.png")
    assert (snapped[:, :20] == 0).all() and (snapped[:, 20:] == 1).all()


@pytest.mark.parametrize("crf", [None, DEFAULTS | {"backend": "lattice"}])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=needs_gpu)])
def test_labels_made_on_the_device_are_those_made_by_processes(tiny_data, tmp_path, device, crf):
    batches = [[2, 0], [3], [1]]
    labels = dict(labels_on_device(outputs_of(tiny_data, EighthPixel(), device, batches), crf))
    assert len(labels) == 4
    for output in logits_on_cpu(outputs_of(tiny_data, EighthPixel(), "cpu", batches)):
        write_from_logits(tmp_path, crf, output)
        expected = read_indexed(tmp_path / f"{output[0]}.png")
        assert labels[output[0]].dtype == np.uint8 and (labels[output[0]] == expected).mean() > 0.999


def test_a_backend_is_chosen_where_there_is_a_crf():
    assert settle(Namespace(crf=False, crf_backend="auto"), None) == {}
    args = Namespace(crf=True, crf_backend="auto", device="cpu")
    assert settle(args, None) == {"crf_backend": choose_backend("auto")}


def predict(run_command, data, weights, out, workers=0, batch_size=8):
    options = ["--data", data, "--split", "train", "--weights", weights, "--batch-size", batch_size]
    return run_command("seg.predict", *options, "--out", out, "--workers", workers, "--device", "cpu")


def test_every_image_once_in_its_own_size_and_the_same_with_any_workers(run_command, tiny_data, tmp_path, weights):
    for workers in (0, 2):
        result = predict(run_command, tiny_data, weights, tmp_path / f"pred{workers}", workers)
        assert result.returncode == 0, result.stderr
    first, second = ({p.name: p.read_bytes() for p in (tmp_path / f"pred{w}").glob("*.png")} for w in (0, 2))
    assert first == second and len(first) == 4
    assert read_indexed(tmp_path / "pred0" / "d_complex.png").shape == (40, 56)
    labels = np.concatenate([read_indexed(path).ravel() for path in (tmp_path / "pred0").glob("*.png")])
    assert len(np.unique(labels)) > 1


def test_batches_change_no_prediction(tiny_data, tmp_path, weights):
    options = ["--data", tiny_data, "--split", "train", "--weights", weights, "--device", "cpu", "--workers", 0]
    for batch_size in (1, 2):  # two of the four images have one size
        (tmp_path / f"pred{batch_size}").mkdir()
        batches = ["--batch-size", batch_size, "--out", tmp_path / f"pred{batch_size}"]
        assert run(parser().parse_args([str(option) for option in options + batches])) == "4 images"
    for id in ("a_simple", "b_simple", "c_complex", "d_complex"):
        alone, batched = (read_indexed(tmp_path / f"pred{batch_size}" / f"{id}.png") for batch_size in (1, 2))
        assert (alone == batched).mean() > 0.999  # float32 may round otherwise in another batch


def test_a_batch_of_no_images_is_refused(tmp_path, capsys):
    options = ["--data", ".", "--split", "val", "--out", str(tmp_path), "--weights", str(tmp_path / "weights.pth")]
    with pytest.raises(SystemExit):
        parser().parse_args([*options, "--batch-size", "0"])
    assert "--batch-size: expected a whole number from 1" in capsys.readouterr().err


def test_goes_on_where_it_stopped(run_command, tiny_data, tmp_path, weights):
    predict(run_command, tiny_data, weights, tmp_path / "pred")
    record = tmp_path / "pred" / "stage.json"
    record.write_text(
        record.read_text().replace('"finished": "2', '"finished": null, "was": "2')
    )  # as if it had been killed
    (tmp_path / "pred" / "a_simple.png").unlink()
    kept = (tmp_path / "pred" / "b_simple.png").stat().st_mtime_ns
    result = predict(run_command, tiny_data, weights, tmp_path / "pred", batch_size=1)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "pred" / "a_simple.png").exists()
    assert (tmp_path / "pred" / "b_simple.png").stat().st_mtime_ns == kept


def test_going_on_with_another_crf_is_refused(run_command, tiny_data, tmp_path, weights):
    command = ("--data", tiny_data, "--split", "val", "--weights", weights, "--out", tmp_path / "pred", "--crf")
    command = (*command, "--crf-iterations", 1, "--workers", 0, "--device", "cpu")
    assert run_command("seg.predict", *command, "--crf-backend", "lattice").returncode == 0
    record = json.loads((tmp_path / "pred" / "stage.json").read_text())
    assert record["arguments"]["crf_backend"] == "lattice"
    again = run_command("seg.predict", *command, "--crf-memory", 3)  # which changes nothing that it writes
    assert again.returncode == 0 and "nothing to do" in again.stdout
    other = run_command("seg.predict", *command, "--crf-backend", "pydensecrf")
    assert other.returncode == 2 and "--crf-backend was lattice, now pydensecrf" in other.stderr


def test_another_backbone_is_refused(run_command, tiny_data, tmp_path, weights):
    command = ("--data", tiny_data, "--split", "train", "--weights", weights, "--out", tmp_path / "pred")
    result = run_command("seg.predict", *command, "--backbone", "resnet101")
    assert result.returncode == 2 and "expected a resnet101, found a vgg16" in result.stderr


def published(path, classes=3):
    """A file as the authors publish theirs, of a network that sees one colour alone.

    Each layer passes its first channel on. The stem takes the network input's last plane; class 1 wins where that is
    above 30: the red of an image in BGR minus the mean, while of torchvision's normalised RGB nothing ever is.
    """
    network = build(backbone="resnet101", classes=classes, convention="caffe", blocks=[1, 1, 1, 1], width=1)
    state = network.state_dict()
    for name, tensor in state.items():
        tensor.zero_()
        if name.endswith(("running_var", "bn.weight")):
            tensor.fill_(1)
    state["layer1.conv1.conv.weight"][0, 2, 3, 3] = 1
    for stage in range(2, 6):
        state[f"layer{stage}.block1.shortcut.conv.weight"][0, 0] = 1
    state["aspp.c0.weight"][1, 0, 1, 1] = 1
    state["aspp.c0.bias"][0] = 30
    torch.save({f"module.base.{name}": tensor for name, tensor in state.items()}, path)
    return path


def test_a_published_file_is_predicted_in_its_own_convention(run_command, tiny_data, tmp_path):
    for id, colour in (("b_simple", (255, 0, 0)), ("d_complex", (0, 0, 255))):  # red, blue
        Image.new("RGB", (56, 40), colour).save(tiny_data / "JPEGImages" / f"{id}.jpg")
    weights = published(tmp_path / "official.pth")
    command = ("--data", tiny_data, "--split", "val", "--weights", weights, "--device", "cpu", "--workers", 0)
    result = run_command("seg.predict", *command, "--out", tmp_path / "pred")
    assert result.returncode == 0, result.stderr
    assert (read_indexed(tmp_path / "pred" / "b_simple.png") == 1).all()
    assert (read_indexed(tmp_path / "pred" / "d_complex.png") == 0).all()


def test_published_network_is_multi_scale_and_whole(tmp_path):
    options = ["--data", ".", "--split", "val", "--out", ".", "--weights", str(published(tmp_path / "official.pth"))]
    network = load_network(parser().parse_args(options), 3)
    assert network.scales == (0.5, 0.75) and network.base.arch.convention == "caffe" and not network.training
    for name, tensor in torch.load(tmp_path / "official.pth").items():
        assert torch.equal(network.state_dict()[name.removeprefix("module.")], tensor), name
    assert load_network(parser().parse_args([*options, "--pyramid"]), 3).scales == ()


def test_unfit_weights_are_refused(tmp_path):
    path = tmp_path / "official.pth"
    args = parser().parse_args(["--data", ".", "--split", "val", "--out", ".", "--weights", str(path)])
    published(path, classes=20)
    with pytest.raises(InputError, match="official.pth: expected the data set's 3 classes, found 20"):
        load_network(args, 3)
    state = torch.load(published(path))
    for name in ("aspp.c0.weight", "layer3.block1.reduce.bn.weight"):
        torch.save({key: tensor for key, tensor in state.items() if not key.endswith(name)}, path)
        with pytest.raises(InputError, match="official.pth: expected weights of"):
            load_network(args, 3)
    torch.save({**state, "module.base.fc.weight": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="fc.weight has no place"):
        load_network(args, 3)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder of three photographs, one of them on its side, and of what is none. Calls here start no processes."""
    monkeypatch.setattr("seg.predict.cores", lambda: 1)
    (tmp_path / "photos").mkdir()
    exif, rng = Image.Exif(), np.random.default_rng(0)
    exif[0x0112] = 6
    for name, size, options in (
        ("Été (1).JPG", (48, 64), {"exif": exif, "quality": 95}),
        ("b.png", (40, 56), {}),
        ("c.webp", (48, 64), {"lossless": True}),
    ):
        image = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size[::-1])
        image.save(tmp_path / "photos" / name, **options)
    (tmp_path / "photos/notes.txt").touch()
    return tmp_path / "photos"


def predict_photos(photos, weights, out, *more):
    out.mkdir(exist_ok=True)
    options = ["--images", photos, "--weights", weights, "--out", out, "--device", "cpu", "--workers", 0, *more]
    args = parser().parse_args([str(option) for option in options])
    return args, run(args)


IDS = {"ete_1": (64, 48), "b": (40, 56), "c": (48, 64)}  # sizes (H, W) of the upright photographs


def test_photographs_need_no_data_set(photos, tmp_path, weights, capsys):
    args, summary = predict_photos(photos, weights, tmp_path / "pred")
    assert summary == "3 photographs, 3 classes"
    said = capsys.readouterr().out
    assert "passed over (1): notes.txt" in said and "names.csv (1): Été (1).JPG is ete_1" in said
    assert reads_of(args)["images"].files == ["b.png", "c.webp", "Été (1).JPG"]
    names = {path.name for path in (tmp_path / "pred").iterdir()}
    pictures = {f"{id}{ending}" for id in IDS for ending in (".png", "_overlay.jpg")}
    assert names == pictures | {"classes.txt", "names.csv"}
    assert (tmp_path / "pred/classes.txt").read_text() == "class 1\nclass 2\nclass 3\n"
    assert (tmp_path / "pred/names.csv").read_text() == "file,id\nÉté (1).JPG,ete_1\n"
    for id, size in IDS.items():
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


def test_photographs_are_predicted_as_images_of_a_data_set(photos, tmp_path, weights, tiny_data):
    folder = tmp_path / "same"
    folder.mkdir()
    for path in (tiny_data / "JPEGImages").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (tmp_path / "first").mkdir()
    crf = ["--crf", "--crf-iterations", 2, "--crf-backend", "lattice"]
    options = ["--data", tiny_data, "--split", "train", "--weights", weights, "--device", "cpu", "--workers", 0, *crf]
    run(parser().parse_args([str(option) for option in [*options, "--out", tmp_path / "first"]]))
    predict_photos(folder, weights, tmp_path / "second", *crf)
    for path in (tmp_path / "first").iterdir():
        assert path.read_bytes() == (tmp_path / "second" / path.name).read_bytes()
    assert len(list((tmp_path / "first").iterdir())) == 4


def test_large_photographs_are_predicted_shrunk(photos, tmp_path, weights):
    predict_photos(photos, weights, tmp_path / "pred", "--longest", 32)
    for id, size in IDS.items():
        assert read_indexed(tmp_path / "pred" / f"{id}.png").shape == size
    small = PhotographFolder(photos, 32)
    assert small.image("c").shape == (24, 32, 3) and small.image_size("ete_1") == (32, 24)
    (tmp_path / "small").mkdir()
    Image.fromarray(small.image("c")).save(tmp_path / "small/c.png")
    predict_photos(tmp_path / "small", weights, tmp_path / "pred_small")
    expected = read_indexed(tmp_path / "pred_small/c.png").repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(read_indexed(tmp_path / "pred/c.png"), expected)


def test_photographs_go_on_where_they_stopped(photos, tmp_path, weights):
    predict_photos(photos, weights, tmp_path / "pred")
    before = {path.name: path.read_bytes() for path in (tmp_path / "pred").iterdir()}
    for name in ("b.png", "c_overlay.jpg"):
        (tmp_path / "pred" / name).unlink()
    kept = (tmp_path / "pred/ete_1_overlay.jpg").stat().st_mtime_ns
    predict_photos(photos, weights, tmp_path / "pred")
    assert {path.name: path.read_bytes() for path in (tmp_path / "pred").iterdir()} == before
    assert (tmp_path / "pred/ete_1_overlay.jpg").stat().st_mtime_ns == kept


def test_the_command_takes_photographs(run_command, photos, tmp_path, weights):
    command = ("--images", photos, "--weights", weights, "--out", tmp_path / "pred", "--device", "cpu", "--workers", 0)
    for words in ("3 photographs, 3 classes", "nothing to do"):
        result = run_command("seg.predict", *command)
        assert result.returncode == 0 and words in result.stdout, result.stderr
        (photos / "new.txt").touch()  # no photograph: no change
    arguments = json.loads((tmp_path / "pred/stage.json").read_text())["arguments"]
    assert arguments["images"] == str(photos) and arguments["data"] is arguments["split"] is None
    Image.new("RGB", (40, 30)).save(photos / "d.png")
    assert "--images had another content" in run_command("seg.predict", *command).stderr


@pytest.mark.parametrize("more, message", [
    ([], "--data and --split: expected both, or --images in their place"),
    (["--data", "d"], "--data and --split: expected both"),
    (["--split", "val"], "--data and --split: expected both"),
    (["--images", "i", "--data", "d", "--split", "val"], "--images: expected neither"),
    (["--images", "i", "--split", "val"], "--images: expected neither"),
    (["--images", "none"], "none: cannot be read"),
    (["--data", "d", "--split", "val", "--longest", "9"], "--longest: expected --images, not --data"),
])  # fmt: skip
def test_either_a_data_set_or_photographs(more, message):
    args = parser().parse_args(["--weights", "w", "--out", "o", *more])
    with pytest.raises(InputError, match=message):
        reads_of(args)


@pytest.mark.parametrize("kind, message", [
    ("small", "b.png: expected at least 16 pixels a side, found 20x15"),
    ("damaged", "b.png: expected a complete image, PNG, JPEG or WebP"),
])  # fmt: skip
def test_photographs_that_cannot_be_used_are_named(photos, tmp_path, weights, kind, message):
    if kind == "small":
        Image.new("RGB", (20, 15)).save(photos / "b.png")
    else:
        (photos / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=message):
        predict_photos(photos, weights, tmp_path / "pred")
    assert not list((tmp_path / "pred").iterdir())


def test_class_names(tmp_path):
    torch.manual_seed(0)
    state = MultiScale(build(**ARCH)).state_dict()
    for given, names in (
        ([], ["class 1", "class 2", "class 3"]),
        (["a", "b", "c"], ["a", "b", "c"]),
        (["a", "b"], ["class 1", "class 2", "class 3"]),
        (["two\nlines", "b", "\ud800"], ["two lines", "b", "?"]),
        ([" ", "b", "c"], ["class 1", "class 2", "class 3"]),
    ):
        checkpoint.save(tmp_path / "weights.pth", arch=ARCH | {"class_names": given}, pyramid=[], state_dict=state)
        assert load_deeplab(tmp_path / "weights.pth")[1] == names
    assert load_deeplab(published(tmp_path / "a.pth"))[1] == ["class 1", "class 2", "class 3"]
    names = load_deeplab(published(tmp_path / "voc.pth", classes=20))[1]
    assert names[0] == "aeroplane" and names[-1] == "tvmonitor" and len(names) == 20


def test_overlays_of_many_classes_and_of_none(tmp_path):
    label = np.arange(254, dtype=np.uint8).reshape(2, 127)
    many = overlay(np.zeros((2, 127, 3), np.uint8), label, [f"name of class {number}" * 9 for number in range(253)])
    assert many.width < 800 and many.height > 253 * 10
    none = overlay(np.full((30, 200, 3), 77, np.uint8), np.zeros((30, 200), np.uint8), ["a"])
    assert (np.asarray(none)[:30] == 77).all() and none.width == 200 and none.height > 30
    wide = overlay(np.zeros((20, 5000, 3), np.uint8), np.zeros((20, 5000), np.uint8), ["a"])
    assert wide.width == 2048 and wide.height < 90


@pytest.mark.parametrize("more", [[], ["--crf"], ["--crf", "--crf-min-probability", 0.05]])
@pytest.mark.parametrize("photographs", [False, True])
def test_the_crf_keeps_to_its_memory(tiny_data, tmp_path, weights, monkeypatch, photographs, more):
    needs, dataset = [], DataSet(tiny_data)

    def for_each(write, outputs, workers, description, total, memory):
        needs.extend((memory.limit, memory.of(output)) if memory else None for output in outputs)
        return []

    monkeypatch.setattr("seg.predict.for_each", for_each)
    of = ["--images", tiny_data / "JPEGImages"] if photographs else ["--data", tiny_data, "--split", "val"]
    told = [*of, "--weights", weights, "--out", tmp_path / "pred", "--workers", 0, "--device", "cpu"]
    args = parser().parse_args(list(map(str, [*told, "--crf-memory", 3, "--crf-backend", "lattice", *more])))
    args.out.mkdir()
    run(args)
    everything = [path.stem for path in (tiny_data / "JPEGImages").iterdir()]
    ids = everything if photographs else [item.id for item in dataset.split("val")]
    least = more[-1] if len(more) > 1 else 0
    pixels = [np.prod(dataset.image_size(id)) for id in ids]
    expected = [(3 * 2**30, memory_of("lattice", each, 1 + len(dataset.classes), least)) for each in pixels]
    assert sorted(needs) == sorted(expected) if more else needs == [None] * len(pixels)
