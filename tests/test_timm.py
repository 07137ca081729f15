"""The method on backbones of timm, from images to labels, on the tiny data."""

import shutil

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


@pytest.fixture
def method(in_process, start, tiny_data, tmp_path):
    """`method(name)` runs every command with a network on one of timm, each into a folder of tmp_path.

    IRN's are left out with `irn=False`. Returns the weight file that the trainings start from.
    """

    def run(name, irn=True):
        file, labels = start(name), tiny_data / "SegmentationClass"
        data, backbone = ("--data", tiny_data, "--split", "train"), ("--backbone", f"timm:{name}")
        training = (*data, *backbone, "--init", file)

        def reading(folder):
            return (*data, *HERE[:5], "--weights", tmp_path / folder / "weights.pth")

        commands = {
            "cls": ("cls.train", *training, *CLS),
            "cam": ("cls.infer", *reading("cls"), "--scales", 1, 0.2),  # 0.2: less than a pixel of the features
            "iam": ("cls.train_iam", *training, *CLS, "--attention", tmp_path / "cls/attention"),
            "oa_cam": ("cls.infer", *reading("iam")),
            "fbr": ("fbr.train", *training, *CLS, *FBR, "--init", tmp_path / "cls/weights.pth"),
            "seg": ("seg.train", *training, *SEG, "--labels", labels),
            "pred": ("seg.predict", *reading("seg"), *backbone),
            "amn": ("cls.train_amn", *training, *AMN, "--seeds", labels),
            "amn_cam": ("cls.infer_amn", *reading("amn"), "--seeds", labels),
            "irn": ("irn.train", *training, *IRN, "--seeds", labels),
            "walk": ("irn.walk", *reading("irn"), "--maps", tmp_path / "cam", "--exponent", 2),
        }
        for folder, command in commands.items():
            if irn or folder not in ("irn", "walk"):
                in_process(*command, "--out", tmp_path / folder)
        for folder, count in {"cam": 7, "oa_cam": 7, "pred": 4, "amn_cam": 7, "walk": 4 if irn else 0}.items():
            assert len(list((tmp_path / folder).glob("*.png"))) == count, folder
        return file

    yield run
    shutil.rmtree(tmp_path)  # pytest would keep a gigabyte of weights of the last three runs


@pytest.mark.parametrize("name, irn", [("resnet50", True), ("convnext_tiny", False)])  # IRN needs five feature maps
def test_the_whole_method(method, name, irn):
    method(name, irn)


def test_pretrained_weights_arrive_and_are_trained(in_process, method, tiny_data, tmp_path, capsys):
    from seg.segmenter import Segmenter

    file = method("tf_efficientnet_lite0")
    said = capsys.readouterr().out
    assert "starts at random: aspp.c0.weight aspp.c0.bias\n" in said
    assert "not used: conv_head.weight bn2.weight" in said and "classifier.bias\n" in said
    assert read_grey(tmp_path / "amn_cam/a_simple_0.png").shape == (48, 64)
    assert read_grey(tmp_path / "cam/a_simple_0.png").shape == (4, 4)

    given = torch.load(file)
    for folder in ("cls", "iam", "fbr", "seg", "irn", "amn"):
        found, prefix = weights(tmp_path / folder), "base." if folder == "seg" else ""
        for name in ("bn1.weight", "bn1.running_var", "blocks.6.0.bn3.bias", "blocks.6.0.bn3.running_mean"):
            assert torch.equal(found[f"{prefix}features.body.{name}"], given[name]), (folder, name)
        changed = found[f"{prefix}features.body.blocks.6.0.conv_pwl.weight"]
        assert torch.equal(changed, given["blocks.6.0.conv_pwl.weight"]) == (folder == "irn")  # IRN's is frozen

    file = tmp_path / "seg/weights.pth"
    segmenter = Segmenter(file, device="cpu", amp=False)
    label = segmenter.predict(DataSet(tiny_data).image("a_simple"))
    assert segmenter.class_names == ["disc", "square", "bar"]
    with pytest.raises(InputError, match="at least 22 pixels a side, found 30x21"):
        segmenter.predict(np.zeros((21, 30, 3), np.uint8))
    np.testing.assert_array_equal(label, read_indexed(tmp_path / "pred/a_simple.png"))

    words = ("--data", tiny_data, "--split", "train", "--weights", file, "--backbone", "timm:resnet50")
    in_process("seg.predict", *words, "--out", tmp_path / "none", status=2)
    said = capsys.readouterr().err
    assert f"{file}: expected a timm:resnet50, found a timm:tf_efficientnet_lite0\n" in said
    assert not (tmp_path / "none").exists()


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
