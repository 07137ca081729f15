"""ResNet as the backbone against torchvision's; at output stride 8 and in Caffe's convention: tests/wiring."""

import pytest
import torch
from torch import nn
from torchvision.models.resnet import Bottleneck
from torchvision.models.resnet import ResNet as TorchvisionResNet

from common.nets.resnet import ResNet, from_torchvision_resnet

DEPTHS = (1, 2, 2, 1)


def torchvision_resnet(depths):
    """A torchvision ResNet in float64 with random weights, whose batch norms do something."""
    torch.manual_seed(0)
    with torch.device("meta"):  # saves the time of an initialisation that would be overwritten
        network = TorchvisionResNet(Bottleneck, depths, num_classes=3)
    network.to_empty(device="cpu").eval()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.normal_(std=(2 / layer.weight[0].numel()) ** 0.5)
        elif isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight.data, layer.running_var):
                values.uniform_(0.5, 1.5)
            for values in (layer.bias.data, layer.running_mean):
                values.uniform_(-0.3, 0.3)
    return network.double()


def torchvision_features(network, x):
    x = network.maxpool(network.relu(network.bn1(network.conv1(x))))
    return network.layer4(network.layer3(network.layer2(network.layer1(x))))


@pytest.mark.parametrize("depths", [DEPTHS, (3, 4, 23, 3)], ids=["small", "resnet101"])
def test_at_output_stride_32_the_features_are_torchvisions(depths):
    theirs = torchvision_resnet(depths)
    with torch.device("meta"):
        ours = ResNet(depths, 64, "torchvision", strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1)).eval()
    ours.load_state_dict(from_torchvision_resnet(theirs.state_dict()), assign=True)
    x = torch.randn(1, 3, 33, 49, dtype=torch.float64)
    with torch.inference_mode():
        expected, found = torchvision_features(theirs, x), ours(x)
    assert expected.std() > 0.1
    torch.testing.assert_close(found, expected)
