import pytest
import torch

from common.training import checkpoint
from seg.deeplab import MultiScale, build
from seg.pretrained import arch_of, convention_of, load_init
from stages.files import InputError

THIN = {"backbone": "resnet101", "classes": 3, "blocks": [1, 2, 1, 1], "width": 4}
VGG16 = {"backbone": "vgg16", "classes": 3, "channels": [4, 4, 4, 4, 8], "depths": [1, 1, 1, 1, 1], "fc_channels": 16}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


def filled(model):
    """The model with numbers that no initialisation gives, so that what was loaded shows."""
    for tensor in model.state_dict().values():
        tensor.fill_(7)
    return model


def untouched(model):
    return [n for n, t in model.state_dict().items() if (t == 7).all() and not n.endswith("num_batches_tracked")]


def aspp_names(model):
    return [name for name in model.state_dict() if name.startswith("aspp.")]


# What loads


def test_published_trunk_without_aspp_or_with_fc_or_without_counters(path):
    """COCO's weights are a DeepLab-v1's, with another classifier; old PyTorch did not count batches."""
    state = build(**THIN, convention="caffe").state_dict()
    state = {n: t for n, t in state.items() if not n.startswith("aspp.") and not n.endswith("num_batches_tracked")}
    torch.save({**state, "fc.weight": torch.zeros(91, 128, 1, 1), "fc.bias": torch.zeros(91)}, path)
    network = filled(build(**THIN, convention="caffe"))
    missing, unused = load_init(network, path)
    assert missing == aspp_names(network) == untouched(network) and unused == ["fc.weight", "fc.bias"]


# What a file says about its network


@pytest.mark.parametrize("prefix", ["base.", "module."])
def test_published_names_tell_the_network(path, prefix):
    arch = {"backbone": "resnet101", "classes": 5, "convention": "caffe", "blocks": [1, 2, 11, 1], "width": 4}
    state = build(**arch).state_dict()
    content = {prefix + name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert arch_of(content) == arch
    checkpoint.load_into(build(**arch_of(content)), content, path)


def test_layers_of_another_number_of_classes_are_left_out_whole(path):
    for arch, layer in ((THIN, ""), (VGG16, "fc8.")):
        checkpoint.save(path, arch={**arch, "classes": 6}, state_dict=build(**{**arch, "classes": 6}).state_dict())
        network = filled(build(**arch))
        expected = [f"aspp.c{i}.{layer}{kind}" for i in range(4) for kind in ("weight", "bias")]
        assert load_init(network, path) == (expected, []) and untouched(network) == expected


# What does not


@pytest.mark.parametrize("convention", ["torchvision", "caffe"])
@pytest.mark.parametrize("arch", [THIN, VGG16], ids=["resnet", "vgg16"])
def test_our_own_files_carry_their_convention(path, arch, convention):
    other = "caffe" if convention == "torchvision" else "torchvision"
    arch = {**arch, "convention": convention}
    checkpoint.save(path, arch=arch, state_dict=build(**arch).state_dict())
    assert convention_of(checkpoint.load(path)) == convention
    assert load_init(build(**arch), path) == ([], [])
    with pytest.raises(InputError, match=f"{path}: expected .* {other} convention, found {convention}"):
        load_init(MultiScale(build(**{**arch, "convention": other})), path)
