"""AMN against the published code, which runs beside ours: AMN_CLONE=<clone of gaviotas/AMN, branch voc12> pytest FILE.

Same random weights, images and labels: equal logits, loss, gradients and scores of maps. Its CUDA calls run on the CPU.
"""

import ast
import contextlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torch.utils.data import DataLoader
from torchvision.models import resnet50

from cls.amn import build
from cls.dataset import rescaled
from cls.infer_amn import logits_of, scores
from cls.losses import balanced_cross_entropy
from common.files.preprocess import normalise
from common.training import checkpoint
from tests.mean_loss import mean_of

CLONE = Path(os.environ.get("AMN_CLONE", ""))
pytestmark = pytest.mark.skipif(CLONE == Path(), reason="AMN_CLONE does not name a clone of github.com/gaviotas/AMN")


def published_function(file, name, **known):
    """A function of a published file that cannot be imported here; `known` are the names that it uses."""
    tree = ast.parse((CLONE / file).read_text())
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    scope = {"torch": torch, "F": F, "np": np, "os": os, "Image": Image} | known
    exec(compile(ast.Module([function], []), file, "exec"), scope)  # noqa: S102
    return scope[name]


@pytest.fixture(scope="module")
def both():
    """The published network for maps, without its dropout, and ours with its weights."""
    torch.manual_seed(0)
    start = resnet50().state_dict()
    for name, tensor in start.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 1.5)
        elif "bn" in name and name.endswith("weight"):
            tensor.uniform_(0.2, 0.6)  # so that features stay small over 16 blocks
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(CLONE))
        patch.setattr("torch.utils.model_zoo.load_url", lambda _: dict(start))
        from net.resnet50_amn import CAM

        published = CAM()
    for name in [name for name in sys.modules if name.partition(".")[0] == "net"]:
        del sys.modules[name]
    published.train()  # which freezes the stem, and sets no mode
    published.classifier[0].eval()
    for layer in published.classifier[1].children():
        torch.nn.init.normal_(layer.bias)
        layer.weight.data *= 30  # so that no class has nearly the same probability everywhere
    ours = build(network="amn", backbone="resnet50", classes=20).eval()
    state = {name.removeprefix("resnet50."): tensor for name, tensor in published.state_dict().items()}
    checkpoint.load_backbone(ours, {name: state[name] for name in start if name in state}, "published")
    ours.label_encoding.load_state_dict(published.label_enc.state_dict())
    ours.aspp.load_state_dict(published.classifier[1].state_dict())
    return published, ours


def test_logits_loss_and_gradients_are_equal(both):
    published, ours = both
    torch.manual_seed(1)
    x, labels = torch.randn(2, 3, 97, 128), (torch.rand(2, 20) < 0.2).float()
    seeds = torch.randint(0, 21, (2, 7, 8)).where(torch.rand(2, 7, 8) < 0.6, 0)
    seeds[:, :2] = 255
    logits = super(type(published), published).forward(x, labels)
    soft = torch.full_like(logits, 0.4 / 20).scatter_(1, seeds.where(seeds < 255, 0)[:, None], 0.6)
    loss = published_function("step/train_amn.py", "balanced_cross_entropy")(logits, seeds, soft)
    loss.backward()
    found = ours(x, labels).logits
    torch.testing.assert_close(found, logits)
    own = mean_of(balanced_cross_entropy(found, seeds.byte()))
    own.backward()
    torch.testing.assert_close(own, loss)
    trained = {name: parameter.grad for name, parameter in ours.named_parameters() if parameter.requires_grad}
    gradients = sorted(parameter.grad.norm() for parameter in published.parameters() if parameter.requires_grad)
    torch.testing.assert_close(sorted(each.norm() for each in trained.values()), gradients, rtol=1e-4, atol=1e-7)
    first = published.resnet50.layer1[0].conv1.weight.grad
    torch.testing.assert_close(ours.features.layer2.block1.reduce.conv.weight.grad, first)


def test_scores_of_maps_are_equal(both, tmp_path, monkeypatch):
    """At the size of the image, of which no side is a multiple of the stride, and at a quarter of it."""
    published, ours = both
    rng = np.random.default_rng(0)
    image, size, classes = rng.integers(0, 256, (75, 101, 3), dtype=np.uint8), (75, 101), [3, 14]
    seed = rng.choice(np.array([0, 4, 15, 255], np.uint8), size)
    Image.fromarray(seed).save(tmp_path / "one.png")
    label = torch.zeros(20)
    label[classes] = 1
    images = [torch.from_numpy(rescaled(image, scale))[None] for scale in (1, 0.5, 1.5, 2)]
    inputs = [normalise(each, "torchvision")[0] for each in images]
    item = {"name": "one", "label": label, "size": size, "img": [torch.stack([x, x.flip(2)]) for x in inputs]}
    for kind in (torch.Tensor, torch.nn.Module):
        monkeypatch.setattr(kind, "cuda", lambda self, **_: self)
    imutils = SimpleNamespace(get_strided_size=published_function("misc/imutils.py", "get_strided_size"))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "device", lambda _: contextlib.nullcontext())
    known = {"cuda": torch.cuda, "DataLoader": DataLoader, "tqdm": lambda each, **_: each, "imutils": imutils}
    work = published_function("step/make_amn_cam.py", "_work", **known)
    args = SimpleNamespace(num_workers=0, ir_label_out_dir=tmp_path, amn_cam_out_dir=tmp_path)
    work(0, published, [[item]], args)
    expected = np.load(tmp_path / "one.npy", allow_pickle=True).item()
    with torch.no_grad():
        logits = logits_of(ours, images, label[None])
    for name, wanted in (("high_res", size), ("cam", (19, 26))):
        found = scores(logits, torch.from_numpy(seed)[None], wanted)[0, classes]
        np.testing.assert_allclose(found, expected[name][1:], atol=1e-5)  # its first map is of the background
        assert 0.2 < np.ptp(expected[name][1:])
