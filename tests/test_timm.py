"""The method on backbones of timm, from images to labels, on the tiny data."""

import numpy as np
import pytest
import torch

from common.files.dataset import DataSet
from common.files.images import read_grey, read_indexed
from common.nets.timm_backbone import TimmBackbone
from stages.files import InputError
from tests.outputs import weights

timm = pytest.importorskip("timm")

HERE = ("--workers", 0, "--device", "cpu", "--no-amp", "--output-stride", 16)
CLS = (*HERE, "--epochs", 2, "--batch-size", 2, "--input-size", 64, "--channels", 8, 8, 8, 8, 8, "--nodes", 2)
SEG = (*HERE, "--iterations", 1, "--batch-size", 2, "--crop-size", 49, "--rates", 1, "--pyramid", 0.75)
IRN = (*HERE, "--epochs", 1, "--batch-size", 4, "--crop-size", 64, "--radius", 4, "--branch-width", 4)
AMN = (*HERE, "--epochs", 1, "--batch-size", 4, "--crop-size", 64, "--rates", 1)
FBR = ("--embedding", 4, "--centres", 2, "--bank-size", 9, "--negatives", 3, "--queries", 4, "--prototype-pixels", 4)


@pytest.fixture
def start(tmp_path):
    """`start(name)`: weight file of a whole network of timm, with statistics that no initialisation gives."""

    def write(name):
        torch.manual_seed(0)
        state = timm.create_model(name).state_dict()
        for key, tensor in state.items():
            if key.endswith("running_var"):
                tensor.uniform_(0.5, 1.5)
        torch.save(state, tmp_path / f"{name}.pth")
        return tmp_path / f"{name}.pth"

    return write


def test_only_convolutions_in_groups_keep_float32_in_mixed_precision_on_a_cpu():
    backbone, found = TimmBackbone("timm:tf_efficientnet_lite0", 16), {}
    for module in backbone.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(lambda conv, _, y: found.setdefault(conv.groups > 1, set()).add(y.dtype))
    with torch.autocast("cpu", torch.bfloat16):
        backbone(torch.zeros(1, 3, 64, 64))
    assert found == {True: {torch.float32}, False: {torch.bfloat16}}


def test_the_whole_method(in_process, start, tiny_data, tmp_path, capsys):
    from seg.segmenter import Segmenter

    file = start("tf_efficientnet_lite0")
    data, own = ("--data", tiny_data, "--split", "train"), ("--backbone", "timm:tf_efficientnet_lite0", "--init", file)
    names = ("cls", "iam", "cam", "fbr", "seg", "irn", "pred", "amn")
    cls, iam, cam, fbr, seg, irn, pred, amn = (tmp_path / name for name in names)
    in_process("cls.train", *data, *own, *CLS, "--out", cls)
    in_process("cls.train_iam", *data, *own, *CLS, "--attention", cls / "attention", "--out", iam)
    maps = (*HERE[:5], "--weights", iam / "weights.pth")
    in_process("cls.infer", *data, *maps, "--out", cam)
    in_process("fbr.train", *data, *own, *CLS, *FBR, "--init", cls / "weights.pth", "--out", fbr)
    labels = tiny_data / "SegmentationClass"
    in_process("seg.train", *data, *own, *SEG, "--labels", labels, "--out", seg)
    said = capsys.readouterr().out
    assert "starts at random: aspp.c0.weight aspp.c0.bias\n" in said
    assert "not used: conv_head.weight bn2.weight" in said and "classifier.bias\n" in said
    predict = ("seg.predict", *data, *HERE[:5], "--weights", seg / "weights.pth")
    in_process(*predict, *own[:2], "--out", pred)
    in_process("irn.train", *data, *own, *IRN, "--seeds", labels, "--out", irn)
    in_process("cls.train_amn", *data, *own, *AMN, "--seeds", labels, "--out", amn)
    maps = ("--weights", amn / "weights.pth", "--seeds", labels, *HERE[:5], "--out", tmp_path / "amn_cam")
    in_process("cls.infer_amn", *data, *maps)
    assert read_grey(tmp_path / "amn_cam/a_simple_0.png").shape == (48, 64)
    walk = ("--maps", cam, "--weights", irn / "weights.pth", *HERE[:5], "--exponent", 2, "--out", tmp_path / "walk")
    in_process("irn.walk", *data, *walk)
    assert len(list((tmp_path / "walk").glob("*.png"))) == 4

    assert len(list(cam.glob("*.png"))) == 7 and read_grey(cam / "a_simple_0.png").shape == (4, 4)
    given = torch.load(file)
    for folder, prefix in ((cls, ""), (iam, ""), (fbr, ""), (seg, "base."), (irn, ""), (amn, "")):
        found = weights(folder)
        for name in ("bn1.weight", "bn1.running_var", "blocks.6.0.bn3.bias", "blocks.6.0.bn3.running_mean"):
            assert torch.equal(found[f"{prefix}features.body.{name}"], given[name]), (folder, name)
        changed = found[f"{prefix}features.body.blocks.6.0.conv_pwl.weight"]
        assert torch.equal(changed, given["blocks.6.0.conv_pwl.weight"]) == (folder == irn)  # IRN's is frozen

    segmenter = Segmenter(seg / "weights.pth", device="cpu", amp=False)
    label = segmenter.predict(DataSet(tiny_data).image("a_simple"))
    assert segmenter.class_names == ["disc", "square", "bar"]
    with pytest.raises(InputError, match="at least 22 pixels a side, found 30x21"):
        segmenter.predict(np.zeros((21, 30, 3), np.uint8))
    np.testing.assert_array_equal(label, read_indexed(pred / "a_simple.png"))

    in_process(*predict, "--backbone", "timm:resnet50", "--out", tmp_path / "none", status=2)
    said = capsys.readouterr().err
    assert f"{seg}/weights.pth: expected a timm:resnet50, found a timm:tf_efficientnet_lite0\n" in said
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("name", ["resnet50", "convnext_tiny"])
def test_other_networks(in_process, start, tiny_data, tmp_path, name):
    own = ("--data", tiny_data, "--split", "val", "--backbone", f"timm:{name}", "--init", start(name))
    in_process("cls.train", *own, *CLS, "--epochs", 1, "--out", tmp_path / "cls")
    maps = ("--scales", 1, 0.2, "--weights", tmp_path / "cls/weights.pth")  # 0.2: less than a pixel of the features
    in_process("cls.infer", *own[:4], *HERE[:5], *maps, "--out", tmp_path / "cam")
    labels = ("--labels", tiny_data / "SegmentationClass")
    in_process("seg.train", *own, *SEG, *labels, "--out", tmp_path / "seg")
    predict = ("--data", tiny_data, "--split", "val", *HERE[:5], "--weights", tmp_path / "seg/weights.pth")
    in_process("seg.predict", *predict, "--out", tmp_path / "pred")
    assert len(list((tmp_path / "pred").glob("*.png"))) == 2


REFUSED = {  # of what only networks of timm, or their stages, ask for
    "Caffe's input": ("seg.train", ["--convention", "caffe"], "expected as its arch.convention torchvision, found"),
    "sizes": ("fbr.train", ["--input-size", 72], "--input-size: expected a multiple of --output-stride, 16, found 72"),
    "small crops": ("seg.train", ["--crop-size", 21], "--crop-size: expected at least 22, found 21"),
    "four stages": ("irn.train", ["--backbone", "timm:test_convnext"], "expected five feature maps for IRN, found 4"),
}


@pytest.mark.parametrize("command, more, message", REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(in_process, start, tiny_data, tmp_path, capsys, command, more, message):
    truth = tiny_data / "SegmentationClass"
    sizes = {"fbr": CLS, "seg": (*SEG, "--labels", truth), "irn": (*IRN, "--seeds", truth)}[command[:3]]
    own = ("--backbone", "timm:test_efficientnet", "--init", start("test_efficientnet"), *sizes, *more)
    in_process(command, "--data", tiny_data, "--split", "train", *own, "--out", tmp_path / "out", status=2)
    assert message in capsys.readouterr().err and not (tmp_path / "out").exists()
