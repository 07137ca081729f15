"""irn's classifier against the published code, which runs beside ours: IRN_CLONE=<clone of jiwoon-ahn/irn> pytest FILE.

Same random weights, images and labels: equal files of maps, loss and optimiser steps. Its CUDA calls run on the CPU.
"""

import importlib
import os
import subprocess
import sys
from argparse import Namespace
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.models import resnet50

from cls import engine
from cls.losses import classification_loss
from cls.train import parser, resolve
from common.nets.resnet import from_torchvision_resnet
from common.training import checkpoint
from tests.wiring.scripts import ROOT

CLONE = os.environ.get("IRN_CLONE")
pytestmark = pytest.mark.skipif(not CLONE, reason="IRN_CLONE does not name a clone of github.com/jiwoon-ahn/irn")
CLASSES = [f"class {number}" for number in range(20)]


@pytest.fixture
def published(monkeypatch):
    """`published(name)` imports a module of the clone; all of its ResNets start from the same random weights."""
    monkeypatch.chdir(CLONE)  # the labels have a relative path
    monkeypatch.syspath_prepend(CLONE)
    for name in ("imageio", "pydensecrf", "pydensecrf.densecrf", "pydensecrf.utils"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["pydensecrf.utils"].unary_from_labels = None
    sys.modules["imageio"].imread = lambda path: np.asarray(Image.open(path))
    torch.manual_seed(0)
    network = resnet50(weights=None)
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.weight.data.uniform_(0.2, 0.6)
            layer.running_var.uniform_(0.5, 1.5)
            for values in (layer.bias.data, layer.running_mean):
                values.uniform_(-0.3, 0.3)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", None)
    before = set(sys.modules)
    module = importlib.import_module("net.resnet50")
    monkeypatch.setattr(module.model_zoo, "load_url", lambda _: dict(network.state_dict()))
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(Path(CLONE).resolve())):
            del sys.modules[name]


def weights_of(network, folder):
    """A published network's weights under our names, in a file of cls.train."""
    state = network.state_dict()
    backbone = {name.removeprefix("resnet50."): each for name, each in state.items() if name.startswith("resnet50.")}
    ours = {f"features.{name}": tensor for name, tensor in from_torchvision_resnet(backbone).items()}
    arch = {"network": "irn_cam", "backbone": "resnet50", "classes": 20}
    path = folder / "weights.pth"
    checkpoint.save(path, arch=arch, state_dict=ours | {"classifier.weight": state["classifier.weight"]})
    return path


def test_loss_and_steps(published, tmp_path):
    """Three of them with the arguments of scripts/settings/voc12_irn.sh: momentum and schedule count."""
    torch.manual_seed(1)
    theirs = published("net.resnet50_cam").Net().double()
    theirs.train()
    weights = weights_of(theirs, tmp_path)
    told = 'source scripts/method.sh 2>/dev/null; echo "${CLS[@]}"'
    environment = os.environ | {"VENV": "", "DATA": "data/voc12", "SETTINGS": "voc12_irn"}
    words = subprocess.check_output(["bash", "-c", told], cwd=ROOT, env=environment, text=True).split()
    words += ["--data", "x", "--split", "x", "--out", "x", "--device", "cpu"]
    args = parser().parse_args(words)
    vars(args).update(resolve(args), init=weights, data=None)
    ours, optimizer, _ = engine.start(args, CLASSES)
    ours.double()
    checkpoint.load_into(ours, checkpoint.load(weights), weights)
    ours.train()
    backbone, head = theirs.trainable_parameters()
    groups = [{"params": backbone, "lr": 0.1, "weight_decay": 1e-4}, {"params": head, "lr": 1.0, "weight_decay": 1e-4}]
    their_optimizer = published("misc.torchutils").PolyOptimizer(groups, lr=0.1, weight_decay=1e-4, max_step=5)
    start = {name: tensor.clone() for name, tensor in ours.state_dict().items()}
    for iteration in range(3):
        images = torch.randn(2, 3, 96, 128, dtype=torch.double)
        labels = (torch.rand(2, 20) < 0.2).double()
        engine.set_learning_rates(optimizer, args, iteration, epoch_length=1)
        loss, their_loss = classification_loss(ours(images), labels).mean(), theirs(images)
        their_loss = F.multilabel_soft_margin_loss(their_loss, labels)
        torch.testing.assert_close(loss, their_loss, rtol=1e-9, atol=0)
        for each, value in ((optimizer, loss), (their_optimizer, their_loss)):
            each.zero_grad()
            value.backward()
            each.step()
    expected = checkpoint.load(weights_of(theirs, tmp_path))["state_dict"]
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(tensor - start[name], expected[name] - start[name], rtol=1e-6, atol=1e-12, msg=name)
    moved = {name for name, tensor in ours.state_dict().items() if not torch.equal(tensor, start[name])}
    trained = ("features.layer4", "features.layer5", "classifier")
    assert moved == {name for name, _ in ours.named_parameters() if name.startswith(trained)}


def test_files_of_maps(published, in_process, tiny_data, tmp_path, monkeypatch):
    """Those of its make_cam.py for the same images, and of cls.infer."""
    for name, stub in (("device_count", lambda: 2), ("device", lambda _: nullcontext())):
        monkeypatch.setattr(torch.cuda, name, stub)
    monkeypatch.setattr(torch.Tensor, "cuda", lambda tensor, **_: tensor)
    monkeypatch.setattr(torch.nn.Module, "cuda", lambda module: module)
    loader, make_cam = published("voc12.dataloader"), published("step.make_cam")
    ids = {2007000032: "a_simple", 2007000039: "d_complex"}
    for number, id in ids.items():
        name = loader.decode_int_filename(number)
        os.link(tiny_data / f"JPEGImages/{id}.jpg", tiny_data / f"JPEGImages/{name}.jpg")
    loader.cls_labels_dict = {2007000032: np.eye(20)[0], 2007000039: np.eye(20)[3] + np.eye(20)[7]}
    monkeypatch.setattr(loader, "load_img_name_list", lambda _: np.array(list(ids), np.int32))
    torch.manual_seed(1)
    network = published("net.resnet50_cam").CAM()
    network.eval()  # which returns None there
    with torch.no_grad():  # maps of random weights would be nearly constant, so their mean is subtracted
        x = torch.from_numpy(loader.VOC12ClassificationDataset("", str(tiny_data))[0]["img"])[None]
        mean = network.stage4(network.stage3(network.stage2(network.stage1(x)))).mean((2, 3))  # (1, 2048)
        weight = network.classifier.weight.data[:, :, 0, 0]
        weight -= weight @ mean.T / mean.square().sum() * mean
    (tmp_path / "theirs").mkdir()
    scales = (1.0, 0.5, 1.5, 2.0)
    images = loader.VOC12ClassificationDatasetMSF("", str(tiny_data), scales=scales)
    args = Namespace(num_workers=0, cam_out_dir=str(tmp_path / "theirs"))
    make_cam._work(0, network, [images], args)

    (tiny_data / "classes.txt").write_text("\n".join(CLASSES))
    (tiny_data / "lists/voc.txt").write_text("2007_000032 0\n2007_000039 3 7\n")
    command = ["--data", tiny_data, "--split", "voc", "--weights", weights_of(network, tmp_path)]
    command += ["--scales", *scales, "--flip", "--dump-float", "--no-amp", "--device", "cpu", "--workers", 0]
    in_process("cls.infer", *command, "--out", tmp_path / "ours")
    for name, classes in (("2007_000032", [0]), ("2007_000039", [3, 7])):
        expected, found = (
            np.load(tmp_path / folder / f"{name}.npy", allow_pickle=True).item() for folder in ("theirs", "ours")
        )
        assert found.keys() == expected.keys()
        assert [type(found[key]) for key in found] == [type(expected[key]) for key in found]
        assert found["keys"].tolist() == expected["keys"].tolist() == classes
        for key in ("cam", "high_res"):
            np.testing.assert_allclose(found[key], expected[key], atol=2e-5)
            assert np.ptp(np.asarray(found[key])) > 0.5
