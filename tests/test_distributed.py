"""Two processes, as torchrun starts them on CPUs (gloo), do what one does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from common.files.dataset import DataSet
from common.files.images import write_grey
from tests import in_a_row
from tests.outputs import scalars

ROOT = Path(__file__).resolve().parents[1]
TRUNK = ("--channels", 4, 4, 8, 8, 8, "--depths", 1, 1, 1, 1, 1)
HERE = ("--device", "cpu", "--workers", 0, "--no-amp")
# four images in batches of 3: at the end of each epoch one process has no image
CLS = (*TRUNK, "--epochs", 3, "--batch-size", 3, "--input-size", 32, "--nodes", 2, *HERE)
SEG = ("--backbone", "vgg16", *TRUNK, "--batch-norm", "--fc-channels", 0, "--iterations", 4, "--batch-size", 3)
SEG = (*SEG, "--crop-size", 33, "--rates", 1, 2, "--pyramid", 0.5, "--lr", 1e-2, *HERE)
FBR = ("--output-stride", 4, "--embedding", 6, "--centres", 3, "--bank-size", 11, "--negatives", 5, "--queries", 20)
IRN = ("--backbone", "vgg16", *TRUNK, "--batch-norm", "--branch-width", 4, "--crop-size", 48, "--radius", 4)
IRN = (*IRN, "--epochs", 3, "--batch-size", 3, "--save-every", 1, *HERE)
FBR = (
    *FBR,
    "--prototype-pixels",
    4,
    "--save-every",
    1,
    "--lr",
    2e-4,
    "--seed",
    1,
)  # a low rate: GloRe magnifies rounding


def launch(processes, module, *arguments):
    """A module, or a file if its name ends in .py."""
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", processes) if processes > 1 else ()
    what = (module,) if module.endswith(".py") else ("-m", module)
    command = [sys.executable, *map(str, (*torchrun, *what, *arguments))]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3600)


def run(processes, module, *arguments):
    result = launch(processes, module, *arguments)
    assert result.returncode == 0, f"{module}: {result.stderr[-3000:]}"
    assert result.stdout.count(" -> ") == 1, result.stdout  # the first process speaks for all
    return result.stdout


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def assert_same_weights(one, two):
    for name, tensor in weights(one).items():
        torch.testing.assert_close(weights(two)[name], tensor, atol=5e-6, rtol=5e-5, msg=name)


def in_a_row_of(calls):
    """Runs {number of processes: [(module, argument, …), …]}: with one process here, else by tests/in_a_row.py."""
    calls = {number: [list(map(str, call)) for call in its_calls] for number, its_calls in calls.items()}
    with pytest.MonkeyPatch.context() as patch:  # on one core, as each of the others has: nothing in other processes
        patch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
        in_a_row.run(calls.pop(1))
    result = launch(1, "tests/in_a_row.py", json.dumps(calls))
    assert result.returncode == 0, result.stderr[-3000:]


def test_classifier_and_iam(tiny_data, tmp_path):
    """Of three processes and batches of two, one has nothing at every step."""
    train, calls = ("--data", tiny_data, "--split", "train"), {1: [], 2: [], 3: []}
    # from the same attention and weights, so that each stage differs alone
    attention, weights = tmp_path / "cls1/attention", tmp_path / "cls1/weights.pth"
    for number, its_calls in calls.items():
        its_calls.append(("cls.train", *train, *CLS, "--out", tmp_path / f"cls{number}"))
        its_calls.append(("cls.train", *train, *CLS, "--batch-size", 2, "--out", tmp_path / f"few{number}"))
        iam = ("cls.train_iam", *train, *CLS, "--attention", attention, "--out", tmp_path / f"iam{number}")
        maps = ("--weights", weights, "--input-size", 32, *HERE, "--out", tmp_path / f"cam{number}")
        its_calls += [iam, ("cls.infer", *train, *maps)]
    in_a_row_of(calls)
    for number in (2, 3):
        for name in ("cls", "few", "iam"):
            assert_same_weights(tmp_path / f"{name}1/weights.pth", tmp_path / f"{name}{number}/weights.pth")
        for name in ("cls1/attention", "few1/attention", "cam1"):
            maps = files(tmp_path / name)
            assert len(maps) == 7 and maps == files(tmp_path / name.replace("1", str(number)))


PLAIN_LOSS = """
import sys
import torch
from torch.nn import functional as F
from common.training.data_parallel import parallel
from common.training.losses import Loss, means
from stages import distributed

with distributed.process_group():
    torch.manual_seed(0)
    model, gradients = torch.nn.Linear(4, 3), []
    network = parallel(model)
    for count in (5, 2, 1):  # of three processes: 2 2 1, 1 1 0, 1 0 0 images
        images, labels = torch.randn(count, 4), torch.rand(count, 3).round()
        own = list(distributed.shard(range(count)))
        output, target = network(images[own]), labels[own]
        counting = torch.arange(3 * count).view(count, 3)[own] % 5 == 1
        losses = {"tags": F.multilabel_soft_margin_loss(output, target, reduction="none")}
        losses["masked"] = Loss(output.square(), counting)
        model.zero_grad()
        (sum(means(losses).values()) * distributed.WORLD_SIZE).backward()
        gradients.append(torch.cat([each.grad.flatten() for each in model.parameters()]))
    if distributed.IS_FIRST:
        torch.save(gradients, sys.argv[1])
"""


def test_a_plain_loss_of_elements_has_the_gradient_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    script, found = tmp_path / "plain_loss.py", []
    script.write_text(PLAIN_LOSS)
    for processes in (1, 3):
        result = launch(processes, str(script), tmp_path / f"gradients{processes}")
        assert result.returncode == 0, result.stderr[-3000:]
        found.append(torch.load(tmp_path / f"gradients{processes}"))
    torch.testing.assert_close(*found, atol=1e-6, rtol=1e-5)
    assert all(each.abs().max() > 0.01 for each in found[0])


OWN_NETWORK = """
import re, sys
import torch, torchvision
from fbr.settings import Settings
from torchvision.models.resnet import Bottleneck, ResNet

torchvision.models.resnet50 = lambda weights, **more: ResNet(Bottleneck, [1, 1, 1, 1], **more)
names = {}
exec(re.search(r"```python\\n(.*?)```", open("docs/own_network.md").read(), re.DOTALL)[1], names)
distributed = names["distributed"]

with distributed.process_group():
    torch.manual_seed(0)
    network = names["Classifier"](3)
    network.fbr = names["FBR"](2048, Settings(bank_size=50, queries=20, negatives=9))
    loader = []
    for count in (4, 3):
        own = list(distributed.shard(range(count)))
        images, labels = torch.randn(count, 3, 96, 64), torch.tensor([[1.0, 0, 1], [0, 1, 1], [1, 1, 0], [0, 0, 1]])
        loader.append((images[own], labels[:count][own]))
    names["train"](network, loader, epochs=2, lr=1e-4)
    torch.save({"state_dict": network.state_dict()}, f"{sys.argv[1]}/{distributed.RANK}of{distributed.WORLD_SIZE}.pth")
"""


def test_fbr_on_any_network(tmp_path, monkeypatch):
    """The code of docs/own_network.md: two processes have the network and the bank of one."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    script = tmp_path / "own_network.py"
    script.write_text(OWN_NETWORK)
    for processes in (1, 2):
        result = launch(processes, str(script), tmp_path)
        assert result.returncode == 0, result.stderr[-3000:]
    alone = weights(tmp_path / "0of1.pth")
    assert alone["fbr.bank.filled"] > 9 and alone["fbr._extra_state"] == {"calls": 4}
    for rank in (0, 1):
        other = weights(tmp_path / f"{rank}of2.pth")
        assert other.pop("fbr._extra_state") == {"calls": 4}
        for name, tensor in other.items():
            torch.testing.assert_close(tensor, alone[name], atol=1e-4, rtol=1e-3, msg=name)


HEADS = {  # --labels is another in each, and the gradient's ratio is logged
    "two": ("--heads", "two", "--labels", "saliency"),
    "shared": ("--heads", "shared", "--labels", "refined", "--band", 0.5, 0.6, "--similarity-weight", 0),
    "none": ("--heads", "none", "--labels", "truth", "--similarity-weight", 0, "--contrast-from", 0, "--diagnose"),
}


def test_fbr(tiny_data, tmp_path):
    """All parts: weights, attention, bank and what is logged; three processes have one or no image at a time."""
    train = ("fbr.train", "--data", tiny_data, "--split", "train", *CLS, *FBR, "--epochs", 2)
    calls = {number: [] for number in (1, 2, 3)}
    for number, its_calls in calls.items():
        its_calls += [(*train, *more, "--out", tmp_path / f"{name}{number}") for name, more in HEADS.items()]
    in_a_row_of(calls)
    for name in HEADS:
        for number in (2, 3):
            assert_same_training(tmp_path / f"{name}1", tmp_path / f"{name}{number}")
        assert any("share" in each for each in logged(tmp_path / f"{name}1")) == (name == "none")


def assert_same_training(one, other):
    assert_same_weights(one / "weights.pth", other / "weights.pth")
    assert files(one / "attention") == files(other / "attention")
    models = (torch.load(folder / "training.pth", weights_only=False)["model"] for folder in (one, other))
    bank, found = ({part: model[f"fbr.bank.{part}"] for part in ("position", "filled", "rows")} for model in models)
    bank["rows"], found["rows"] = bank["rows"][:-1], found["rows"][:-1]  # the last one takes what is not stored
    assert bank["filled"] > 8
    torch.testing.assert_close(found, bank, atol=5e-6, rtol=5e-5)
    numbers, found = logged(one), logged(other)
    assert numbers.keys() == found.keys()
    for name in numbers.keys() - {"waiting for data"}:
        bound = 2e-4 if name == "gradient" else 5e-5  # it adds up the rounding of every layer
        assert found[name] == pytest.approx(numbers[name], rel=bound, abs=5e-6), name


def logged(folder):
    """{name: [number, ...]} of TensorBoard's scalars."""
    return {name: [*numbers.values()] for name, numbers in scalars(folder).items()}


def test_irn(tiny_data, tmp_path):
    """Boundaries, displacements and their mean; labels and instances from the weights of one process."""
    train, maps = ("--data", tiny_data, "--split", "train"), tmp_path / "maps"
    put_maps(tiny_data, maps)
    calls = {1: [], 2: []}
    for number, its_calls in calls.items():
        seeds, walk = ("--seeds", tiny_data / "SegmentationClass"), ("--maps", maps, *HERE)
        walk = (*walk, "--weights", tmp_path / "irn1" / "weights.pth", "--batch-size", 1)
        its_calls.append(("irn.train", *train, *seeds, *IRN, "--out", tmp_path / f"irn{number}"))
        its_calls.append(("irn.walk", *train, *walk, "--out", tmp_path / f"label{number}"))
        its_calls.append(("irn.instances", *train, *walk, "--out", tmp_path / f"instances{number}"))
    in_a_row_of(calls)
    assert_same_weights(tmp_path / "irn1" / "weights.pth", tmp_path / "irn2" / "weights.pth")
    assert weights(tmp_path / "irn1" / "weights.pth")["mean_displacement"].abs().max() > 0.01
    numbers, found = logged(tmp_path / "irn1"), logged(tmp_path / "irn2")
    for name in ("loss/affinity", "loss/displacement"):
        assert len(numbers[name]) == 6 and found[name] == pytest.approx(numbers[name], rel=5e-5), name
    for name, count in (("label", 4), ("instances", 8)):
        one, two = ({path.name: path.read_bytes() for path in (tmp_path / f"{name}{n}").iterdir()} for n in (1, 2))
        assert len(one) == count and one == two, name


def test_amn(tiny_data, tmp_path):
    """With FBR: the loss of the first step that dropout does not change; then maps from the weights of one process."""
    train = ("--data", tiny_data, "--split", "train", "--seeds", tiny_data / "SegmentationClass", *HERE)
    amn = ("--blocks", 1, 1, 1, 1, "--width", 4, "--rates", 1, "--crop-size", 64, "--epochs", 2, "--batch-size", 3)
    calls = {1: [], 3: []}
    for number, its_calls in calls.items():
        its_calls.append(("fbr.train_amn", *train, *amn, *FBR, "--out", tmp_path / f"amn{number}"))
        maps = ("--weights", tmp_path / "amn1" / "weights.pth", "--out", tmp_path / f"maps{number}")
        its_calls.append(("cls.infer_amn", *train, *maps))
    in_a_row_of(calls)
    one, three = (logged(tmp_path / f"amn{number}")["loss/similarity"] for number in (1, 3))
    assert len(one) == len(three) == 4 and one[0] == pytest.approx(three[0], rel=1e-5) and one[0] > 0
    assert len(files(tmp_path / "maps1")) == 7 and files(tmp_path / "maps1") == files(tmp_path / "maps3")


def put_maps(data, folder):
    """Maps of random numbers, at stride 4."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for item in DataSet(data).split("train"):
        height, width = (side // 4 for side in DataSet(data).image_size(item.id))
        for cls in item.classes:
            write_grey(folder / f"{item.id}_{cls}.png", rng.integers(0, 256, (height, width), dtype=np.uint8))


def test_backbones_of_timm(tiny_data, tmp_path):
    """Batch norm that has its activation in it, trained; at the end of an epoch one process has no image."""
    pytest.importorskip("timm")
    own = ("--backbone", "timm:test_efficientnet", "--output-stride", 16, *HERE, "--batch-size", 3, "--lr", 1e-4)
    cls = ("--epochs", 2, "--input-size", 64, "--channels", 8, 8, 8, 8, 8, "--nodes", 2)
    truth = ("--labels", tiny_data / "SegmentationClass", "--iterations", 2, "--crop-size", 65, "--rates", 1)
    train, calls = ("--data", tiny_data, "--split", "train"), {1: [], 2: []}
    for number, its_calls in calls.items():
        its_calls.append(("cls.train", *train, *own, *cls, "--out", tmp_path / f"cls{number}"))
        its_calls.append(("seg.train", *train, *own, *truth, "--no-freeze-bn", "--out", tmp_path / f"seg{number}"))
    in_a_row_of(calls)
    for name in ("cls", "seg"):
        assert_same_weights(tmp_path / f"{name}1/weights.pth", tmp_path / f"{name}2/weights.pth")


@pytest.mark.parametrize("batch_norm", ["--no-freeze-bn", "--freeze-bn"])
def test_more_processes_than_images_in_a_batch_of_crops(tiny_data, tmp_path, batch_norm):
    truth = ("--labels", tiny_data / "SegmentationClass")
    train = ("seg.train", "--data", tiny_data, "--split", "train", *truth, *SEG)
    # few steps of crops that leave batch norm many values at the smallest scale: it magnifies rounding
    train = (*train, "--pyramid", 0.5, 0.75, "--batch-size", 2, "--crop-size", 65, "--iterations", 2, "--lr", 1e-3)
    init = (batch_norm, "--init", tmp_path / "init" / "weights.pth")
    calls = {number: [(*train, *init, "--out", tmp_path / f"seg{number}")] for number in (1, 3)}
    calls[1].insert(0, (*train, "--iterations", 1, "--seed", 1, "--out", tmp_path / "init"))
    in_a_row_of(calls)
    assert_same_weights(tmp_path / "seg1" / "weights.pth", tmp_path / "seg3" / "weights.pth")


def test_one_process_that_fails_ends_all(tiny_data, tmp_path):
    """A truncated image in one share: its process says so and ends; the others do not wait for it for hours."""
    image = tiny_data / "JPEGImages" / "d_complex.jpg"
    image.write_bytes(image.read_bytes()[:400])
    train = ("--data", tiny_data, "--split", "train", "--labels", tiny_data / "SegmentationClass")
    result = launch(2, "seg.train", *train, *SEG, "--iterations", 1000, "--out", tmp_path / "seg")
    assert result.returncode != 0
    assert "d_complex.jpg: expected a complete image" in result.stderr
    assert "Connection closed by peer" not in result.stderr


def test_processes_drop_other_units(tmp_path):
    script = "import torch; from common.training import checkpoint; checkpoint.seed_everything(3); "
    script += "before = torch.rand(1).item(); "
    script += "checkpoint.seed_by_rank(3); print(before, torch.rand(1).item())"
    numbers = []
    for rank in range(3):
        environment = os.environ | {"RANK": str(rank), "WORLD_SIZE": "3"}
        command = [sys.executable, "-c", script]
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        numbers.append(result.stdout.split())
    assert len({before for before, _ in numbers}) == 1 and len({after for _, after in numbers}) == 3
    torch.manual_seed(3)
    assert [float(number) for number in numbers[0]] == torch.rand(2).tolist()  # the first is as if alone


def test_segmentation(tiny_data, tmp_path):
    train, calls = ("--data", tiny_data, "--split", "train"), {1: [], 2: []}
    for number, its_calls in calls.items():
        truth = ("--labels", tiny_data / "SegmentationClass")
        val = ("--val-every", 4, "--val-split", "train")
        its_calls.append(("seg.train", *train, *truth, *val, *SEG, "--out", tmp_path / f"seg{number}"))
        crf = ("--crf", "--crf-iterations", 1, "--crf-backend", "lattice", *HERE, "--workers", 1)
        weights = ("--weights", tmp_path / "seg1" / "weights.pth")
        its_calls.append(("seg.predict", *train, *weights, *crf, "--out", tmp_path / f"pred{number}"))
    in_a_row_of(calls)
    scores = [logged(tmp_path / f"seg{number}")["val mIoU"][0] for number in calls]
    assert_same_weights(tmp_path / "seg1" / "weights.pth", tmp_path / "seg2" / "weights.pth")
    assert len(files(tmp_path / "pred1")) == 4 and files(tmp_path / "pred1") == files(tmp_path / "pred2")
    assert scores[0] == pytest.approx(scores[1], abs=0.1)


def test_labels_and_scores(tiny_data, tmp_path):
    train = ("--data", tiny_data, "--split", "train", "--workers", 1)
    truth = tiny_data / "SegmentationClass"
    for processes in (1, 2):
        labels = ("--pred", truth, "--label", truth, "--kernel-size", 3)
        run(processes, "pseudo.nsrm", *train, *labels, "--out", tmp_path / f"masked{processes}")
        run(
            processes,
            "evaluate.labels",
            *train,
            "--pred",
            tmp_path / "masked1",
            "--out",
            tmp_path / f"scores{processes}",
        )
    assert len(files(tmp_path / "masked1")) == 4 and files(tmp_path / "masked1") == files(tmp_path / "masked2")
    for name in ("scores.json", "images.jsonl"):
        scores = [(tmp_path / f"scores{processes}" / name).read_text() for processes in (1, 2)]
        assert scores[0] == scores[1]


def test_errors_are_told_once_and_leave_nothing(tiny_data, tmp_path):
    labels = ("--labels", tmp_path)
    result = launch(2, "seg.train", "--data", tiny_data, "--split", "none", *labels, *SEG, "--out", tmp_path / "seg")
    assert result.returncode != 0 and not (tmp_path / "seg").exists()
    assert result.stderr.count("lists/none.txt") == 1  # by the first process alone
    result = launch(2, "data.prepare_toy", "--out", tmp_path / "toy")
    assert result.returncode != 0 and "start it without torchrun" in result.stderr and not (tmp_path / "toy").exists()
