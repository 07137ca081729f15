"""Write Grad-CAMs (Selvaraju et al., ICCV 2017) of a classifier, on its trunk's features."""

from functools import partial

from cls import infer
from common.files.dataset import reads
from stages.command import main


def parser():
    parser = infer.parser()
    parser.description = __doc__
    return parser


def grad_cam(network, inputs):
    """Features weighted with the mean gradients of the classes' logits: float32 (B, 3, S, S) -> (B, C, h, w)."""
    import torch

    head = torch.nn.Sequential(network.extra_convs_1, network.extra_convs_2, network.extra_convs_3)
    features = network.features(inputs).requires_grad_()  # (B, K, h, w)
    with torch.enable_grad():
        logits = head(features).mean((2, 3)).sum(0)  # (C,)
        gradients = [torch.autograd.grad(logit, features, retain_graph=True)[0] for logit in logits]
    weights = torch.stack(gradients, dim=1).mean((3, 4))  # (B, C, K)
    return torch.einsum("bck,bkhw->bchw", weights, features)


run = partial(infer.run, cam=grad_cam)

if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
