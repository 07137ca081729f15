"""IRN's classifier: what is trained, at which rate, and that batch norm keeps its statistics."""

import pytest
import torch

from cls.losses import classification_loss
from cls.model import build

THIN = {"network": "irn_cam", "backbone": "resnet50", "classes": 3, "blocks": [1, 1, 1, 1], "width": 4, "nodes": 2}


@pytest.mark.parametrize("glore", [False, True])
def test_one_step_trains_all_after_the_second_stage_and_no_statistics(glore):
    torch.manual_seed(0)
    network = build(**THIN, glore=glore)
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    optimizer = torch.optim.SGD(network.parameter_groups(0.1), 0.1)
    assert [(group["scale"], group["lr"]) for group in optimizer.param_groups if group["params"]] == [(1, 0.1), (10, 1)]
    maps = network(torch.randn(2, 3, 64, 80))
    assert maps.shape == (2, 3, 4, 5)
    classification_loss(maps, torch.eye(3)[:2]).mean().backward()
    optimizer.step()
    changed = {name for name, tensor in network.state_dict().items() if not torch.equal(tensor, before[name])}
    backbone = {name for name, _ in network.features.named_parameters() if name[:6] in ("layer4", "layer5")}
    assert {f"features.{name}" for name in backbone} | {"classifier.weight"} <= changed
    assert all(name.startswith(("features.layer4", "features.layer5", "unit", "classifier.weight")) for name in changed)
    assert not [name for name in changed if "running" in name and "features" in name]
    assert any(name.startswith("unit") for name in changed) == glore
