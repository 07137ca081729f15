"""Graph-based global reasoning unit (paper 3.1, Eq. 1-3; Chen et al., CVPR 2019)."""

import torch
from torch import nn


class GraphConvolution(nn.Module):
    """Z = ((I - A_g) V) W_g (Eq. 2): conv1 mixes the nodes, conv2 their states. (B, S, N) -> (B, S, N).

    As published, conv1 has a residual connection, and a ReLU is between the two.
    """

    def __init__(self, states: int, nodes: int):
        super().__init__()
        self.conv1 = nn.Conv1d(nodes, nodes, 1)
        self.conv2 = nn.Conv1d(states, states, 1, bias=False)

    def forward(self, v: torch.Tensor) -> torch.Tensor:
        h = self.conv1(v.transpose(1, 2)).transpose(1, 2) + v  # (B, S, N)
        return self.conv2(torch.relu(h))


class GloRe(nn.Module):
    """Relation of distant regions: pixels are projected to N nodes, a graph convolution relates them, and back.

    (B, K, H, W) -> (B, K, H, W), any H and W. K = `channels`, N = `nodes` (64 in the paper); a node has 2N states.
    Parameters have the names of the published checkpoints.
    """

    def __init__(self, channels: int, nodes: int):
        super().__init__()
        self.conv_state = nn.Conv2d(channels, 2 * nodes, 1)
        self.conv_proj = nn.Conv2d(channels, nodes, 1)
        self.gcn = GraphConvolution(2 * nodes, nodes)
        self.conv_extend = nn.Conv2d(2 * nodes, channels, 1, bias=False)
        self.blocker = nn.BatchNorm2d(channels, eps=1e-4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states = self.conv_state(x).flatten(2)  # (B, 2N, L)
        projection = self.conv_proj(x).flatten(2)  # B of Eq. 1: (B, N, L)
        v = states @ projection.transpose(1, 2)  # Eq. 1: (B, 2N, N), a sum over the L pixels
        z = self.gcn(v)  # Eq. 2: (B, 2N, N)
        y = z @ projection  # Eq. 3 with D = B^T: (B, 2N, L)
        y = y.unflatten(2, x.shape[2:])  # (B, 2N, H, W)
        return x + self.blocker(self.conv_extend(y))


class LocalUnit(nn.Module):
    """GloRe without its graph, a control: the same residual path and batch norm, but no relation between pixels.

    (B, K, H, W) -> (B, K, H, W). A gain of GloRe over it is due to relating regions.
    """

    def __init__(self, channels: int, nodes: int):
        super().__init__()
        self.conv_state = nn.Conv2d(channels, 2 * nodes, 1)
        self.conv_extend = nn.Conv2d(2 * nodes, channels, 1, bias=False)
        self.blocker = nn.BatchNorm2d(channels, eps=1e-4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.blocker(self.conv_extend(self.conv_state(x).relu()))
