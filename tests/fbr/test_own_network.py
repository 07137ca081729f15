"""The code of docs/own_network.md: FBR on a ResNet-50 of torchvision. In several processes: test_distributed.py."""

import copy
import re
from pathlib import Path

import pytest
import torch
import torchvision
from torchvision.models.resnet import Bottleneck, ResNet

from common.training.losses import means

PAGE = (Path(__file__).resolve().parents[2] / "docs/own_network.md").read_text()
NEW = ("to_classes", "fbr.heads.foreground", "fbr.heads.background", "fbr.heads.segmentation")


@pytest.fixture
def own(monkeypatch):
    """`own(depths)`: the names of the code, with a ResNet of random weights and these numbers of blocks."""

    def run(depths):
        def resnet50(weights, **more):
            assert weights == "IMAGENET1K_V1"
            return ResNet(Bottleneck, depths, **more)

        monkeypatch.setattr(torchvision.models, "resnet50", resnet50)
        torch.manual_seed(0)
        names = {}
        exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], names)  # noqa: S102
        return names

    return run


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 96, 64, generator=generator), torch.tensor([[1.0, 0, 1], [0, 1, 1]])


def test_it_trains_a_resnet50(own):
    names = own([3, 4, 6, 3])
    network = names["Classifier"](3)
    before = {name: tensor.clone() for name, tensor in network.named_parameters()}
    names["train"](network, [batch()], epochs=2, lr=1e-4)  # the first is the warm-up
    assert network.fbr.calls == 2 and 0 < network.fbr.bank.filled <= 16
    changed = {name for name, tensor in network.named_parameters() if not torch.equal(tensor, before[name])}
    assert {f"{name}.weight" for name in NEW} | {"backbone.0.weight"} <= changed
    with torch.no_grad():
        maps = network.eval()(batch()[0])
        assert maps.shape == (2, 3, 6, 4)
        del network.fbr
        assert torch.equal(network(batch()[0]), maps)


def test_a_training_from_its_state_draws_what_it_would_have_drawn(own):
    names = own([1, 1, 1, 1])
    network, other = (names["Classifier"](3) for _ in range(2))
    names["train"](network, [batch(), batch(1)], epochs=2, lr=1e-4)
    other.load_state_dict(copy.deepcopy(network.state_dict()))
    expected, found = (means(each.train()(*batch(2))) for each in (network, other))
    assert expected.keys() == {"tags", "nroi", "intra", "similarity", "segmentation"}
    assert all(torch.equal(found[name], loss) and loss != 0 for name, loss in expected.items())
    other.fbr.calls -= 1
    assert means(other(*batch(2)))["nroi"] != expected["nroi"]
