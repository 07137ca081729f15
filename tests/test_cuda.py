"""On a machine with a GPU: the same numbers as on the CPU, through the same code."""

import pytest
import torch

from cls.losses import classification_loss
from cls.model import Classifier
from common import device as devices
from seg.deeplab import MultiScale, build, multi_scale_loss

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
THIN = {"channels": [8, 8, 16, 16, 16], "depths": [1, 1, 1, 1, 2]}


def loss_and_gradient(network, loss_of, x, device):
    network = devices.place(network, torch.device(device))
    network.zero_grad()
    loss = loss_of(network(x.to(device, memory_format=torch.channels_last)))
    loss.backward()
    return loss.detach().cpu(), next(network.parameters()).grad.detach().cpu().clone()


@needs_gpu
@pytest.mark.parametrize("kind", ["classifier", "deeplab"])
def test_gpu_equals_cpu(kind):
    torch.manual_seed(0)
    x = torch.randn(2, 3, 65, 65)
    if kind == "classifier":
        network, target = Classifier(4, **THIN, nodes=4), torch.tensor([[1.0, 0, 0, 1], [0, 1, 0, 0]])
        losses = {
            device: (lambda maps, d=device: classification_loss(maps, target.to(d))) for device in ("cpu", "cuda")
        }
    else:
        network = MultiScale(build(backbone="vgg16", classes=4, fc_channels=16, rates=[1, 2], **THIN))
        network.base.aspp.apply(lambda layer: setattr(layer, "p", 0.0) if isinstance(layer, torch.nn.Dropout) else None)
        target = torch.randint(0, 5, (2, 65, 65))
        losses = {
            device: (lambda outputs, d=device: multi_scale_loss(outputs, target.to(d))) for device in ("cpu", "cuda")
        }
    expected = loss_and_gradient(network, losses["cpu"], x, "cpu")
    found = loss_and_gradient(network, losses["cuda"], x, "cuda")
    torch.testing.assert_close(found[0], expected[0], rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(found[1], expected[1], rtol=2e-2, atol=1e-3)


def test_devices_that_are_not_there_are_refused():
    from common.files import InputError

    assert devices.pick("cpu") == torch.device("cpu")
    for name in ("cuda:99", "abacus"):
        with pytest.raises(InputError, match=name):
            devices.pick(name)
