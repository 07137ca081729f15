"""Batch norm over the batches of all processes; torch.nn.SyncBatchNorm is for GPUs only."""

import torch
from torch import nn
from torch.distributed.nn.functional import all_reduce

from common import distributed


class GlobalBatchNorm(nn.BatchNorm2d):
    """BatchNorm2d whose training statistics are those of the global batch: (B, K, H, W) -> (B, K, H, W), B from 0."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        values = x.float()
        size = x.shape[0] * x.shape[2] * x.shape[3]
        count = distributed.total(torch.full((), size, dtype=torch.float64, device=x.device))
        mean = (all_reduce(values.sum((0, 2, 3), dtype=torch.float64)) / count).float()  # (K,), added up as a CPU does
        centred = values - mean[:, None, None]
        variance = (all_reduce(centred.square().sum((0, 2, 3), dtype=torch.float64)) / count).float()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def synchronise_batch_norm(model):
    """Makes each batch norm of a model that trains a GlobalBatchNorm; names and tensors stay."""
    for layer in model.modules():
        if type(layer) is nn.BatchNorm2d:
            layer.__class__ = GlobalBatchNorm
