"""Training on several processes: averaged gradients, and batch norm over the whole batch."""

import torch
from torch import nn
from torch.distributed.nn.functional import all_reduce

from common.nets.batch_norm import Frozen
from stages import distributed


class GlobalBatchNorm(nn.BatchNorm2d):
    """BatchNorm2d with the training statistics of the global batch: (B, K, H, W) -> (B, K, H, W); B may be 0."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.normalised(x) if self.training else super().forward(x)
        for layer in self.children():  # dropout and activation of timm's BatchNormAct2d
            x = layer(x)
        return x

    def normalised(self, x: torch.Tensor) -> torch.Tensor:
        """The images normalised with the mean and variance of all processes' images."""
        values = x.float()
        size = x.shape[0] * x.shape[2] * x.shape[3]
        count = distributed.total(torch.full((), size, dtype=torch.float64, device=x.device))
        mean = (
            all_reduce(values.sum((0, 2, 3), dtype=torch.float64)) / count
        ).float()  # (K,); float64 sums, as a CPU's batch norm
        centred = values - mean[:, None, None]
        variance = (all_reduce(centred.square().sum((0, 2, 3), dtype=torch.float64)) / count).float()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def synchronise_batch_norm(model: nn.Module) -> None:
    """Make each trained batch norm of a model a GlobalBatchNorm, with the same names and tensors."""
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d) and not isinstance(layer, Frozen):
            layer.__class__ = GlobalBatchNorm


def parallel(model: nn.Module) -> nn.Module:
    """Wrap a model: gradients are averaged over all processes, batch norm takes the global batch's statistics.

    The loss to differentiate is WORLD_SIZE times this process's part of the global loss: its own sum divided by the
    global count (see stages.distributed.total). One process gets the model itself.
    """
    if distributed.WORLD_SIZE == 1:
        return model
    synchronise_batch_norm(model)
    return torch.nn.parallel.DistributedDataParallel(model, broadcast_buffers=False)
