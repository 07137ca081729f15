"""Gaussian filter on the permutohedral lattice (Adams, Baek and Davis, Eurographics 2010), in PyTorch.

Each of N points with d features is elevated to the hyperplane of d + 1 coordinates that sum to 0 and lies there in a
simplex of d + 1 lattice vertices. Values are splatted onto the vertices, blurred along the d + 1 axes and sliced back.
All three are products with sparse matrices. `embedding_bag` computes such a product: on a CPU in half of SciPy's
time, on CUDA without atomic additions, so that the order of a sum, and with it the result, does not vary.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from stages.files import InputError

LARGEST_SPAN = 2**20  # of a lattice coordinate: beyond it float32 is too coarse within a simplex
KEYS = 2**63  # the range of int64
CPU_TABLE = 24 * 2**20  # bytes: glibc returns larger blocks to the system, and new ones cost more than the filter
CPU_COLUMNS = 8  # at least: with fewer at once, reading the indices costs more than the values


class Lattice:
    """Gaussian filter of standard deviation 1 for values (N, C) of points with features (d, N), float32.

    The filter F is normalised symmetrically and scaled: weight · n · F(n · values) with n = 1 / √(F(1) + 1e-20), as in
    Krähenbühl and Koltun's dense CRF. The factors are part of the matrices, which take 16 N (d + 1) bytes and, with M
    vertices, at most 28 M (d + 1) more; M ≤ N (d + 1). A call takes two tables (M, C); on a CPU they have only as many
    columns at once as fit into 24 MiB each, but at least 8.

    Raises InputError if the features' range is so large that vertices' keys exceed 63 bits, or coordinates 20.
    """

    def __init__(self, features: torch.Tensor, weight: float = 1.0):
        d, points = features.shape
        elevated = elevate(features)
        nearest, order = enclosing_simplex(elevated)
        weights = barycentric_weights(elevated, nearest, order)
        keys, steps = vertex_keys(nearest, order)
        keys, vertices, entries, starts = number_vertices(keys)
        self.size = len(keys)  # M
        self.splat = Matrix((entries % points).int(), starts, weights.flatten()[entries])
        rows = torch.arange(0, (d + 1) * points + 1, d + 1, dtype=torch.int32, device=features.device)
        self.slice = Matrix(vertices.view(d + 1, points).T.flatten(), rows, weights.T.flatten())
        self.blurs = [blur_matrix(keys, step) for step in steps]

        scale = 1 / (1 + 2**-d)  # the blurs do not keep the sum
        norm = 1 / (scale * self._filter(features.new_ones(points, 1)) + 1e-20).sqrt()  # (N, 1)
        self.splat.values.mul_(norm.squeeze(1)[self.splat.indices])
        self.slice.values.view(points, d + 1).mul_(norm * (scale * weight))

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Filter values: float32 (N, C) -> (N, C)."""
        columns = values.shape[1]
        at_once = columns if values.is_cuda else max(CPU_COLUMNS, CPU_TABLE // (4 * self.size))
        if columns <= at_once:
            return self._filter(values)
        return torch.cat([self._filter(part) for part in values.tensor_split(math.ceil(columns / at_once), 1)], 1)

    def _filter(self, values):
        table = self.splat.times(values)  # (M, C)
        for blur in self.blurs:
            table = blur.times(table)
        return self.slice.times(table)


class Matrix(NamedTuple):
    """Sparse matrix in compressed rows (CSR)."""

    indices: torch.Tensor  # int32 (entries,), columns
    starts: torch.Tensor  # int32 (rows + 1,), each row's start in `indices`, and the last one's end
    values: torch.Tensor  # float32 (entries,)

    def times(self, table: torch.Tensor) -> torch.Tensor:
        """Product with a dense matrix: (columns, C) -> (rows, C)."""
        return torch.nn.functional.embedding_bag(
            self.indices, table, self.starts, mode="sum", per_sample_weights=self.values, include_last_offset=True
        )


def elevate(features: torch.Tensor) -> torch.Tensor:
    """Elevate features (d, N) to the hyperplane of coordinates that sum to 0: (d + 1, N).

    A standard deviation of 1 becomes the lattice's, √(2/3) · (d + 1). In this function and the next two each float32
    rounding is that of Krähenbühl and Koltun's code: another would move one point in about 100 000 into the
    neighbouring simplex.
    """
    d = len(features)
    deviation = float(np.float32(math.sqrt(2 / 3) * (d + 1)))
    total = torch.zeros_like(features[0])
    coordinates = []
    for i in range(d, 0, -1):
        scaled = features[i - 1] * (deviation / math.sqrt(i * (i + 1)))
        coordinates.append(total - i * scaled)
        total = total + scaled
    return torch.stack([total, *reversed(coordinates)])


def enclosing_simplex(elevated: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the simplex around each point (d + 1, N): its remainder-0 vertex and the axes from vertex to vertex.

    Returns (nearest, order): nearest float32 (d + 1, N), that vertex's coordinates / (d + 1), whole numbers that sum to
    0; order int64 (d + 1, N), the coordinates by increasing distance from it, of equal ones the later first.
    """
    size = len(elevated)
    nearest = (elevated * reciprocal(size)).round()
    distance = elevated - nearest * size
    rank = torch.zeros_like(elevated, dtype=torch.int32)  # number of coordinates that are farther
    for i in range(size):
        for j in range(i + 1, size):
            farther = distance[i] < distance[j]
            rank[i] += farther
            rank[j] += ~farther
    rank += nearest.sum(0).int()  # the sum is not 0 where rounding left the hyperplane
    wraps = rank.div(size, rounding_mode="floor")
    rank -= wraps * size
    place = torch.arange(size, device=elevated.device)[:, None].expand_as(rank)
    order = torch.empty_like(place).scatter_(0, size - 1 - rank.long(), place)
    return nearest - wraps, order


def barycentric_weights(elevated: torch.Tensor, nearest: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
    """Weights (d + 1, N) of the simplex's vertices, remainders 0 to d, at each point; they sum to 1."""
    size = len(elevated)
    distance = ((elevated - nearest * size) * reciprocal(size)).gather(0, order)
    weights = distance - distance.roll(1, 0)
    weights[0] += 1
    return weights


def reciprocal(number: int) -> float:
    """1 / number, rounded to float32."""
    return float(1 / np.float32(number))


def vertex_keys(nearest: torch.Tensor, order: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
    """Keys int64 (d + 1, N) of the vertices of each point's simplex, and the step of a key along each of d + 1 axes.

    A vertex is identified by its first d coordinates. They are the digits of its key, each in a range that also holds
    the vertices' neighbours. A step along axis j subtracts d from coordinate j and adds 1 to the others; such steps,
    along the axes in `order`, lead from each vertex of a simplex to the next. Raises InputError if the keys exceed 63
    bits, or a coordinate's range 2^20.
    """
    size = len(nearest)
    coordinates = nearest[:-1] * size  # (d, N)
    low = coordinates.amin(1) - 2 * size
    spans = (coordinates.amax(1) + 2 * size - low + 1).tolist()
    if not all(span <= LARGEST_SPAN for span in spans) or math.prod(map(int, spans)) >= KEYS:
        raise InputError(
            "dense CRF: the standard deviations are too small for this image: expected a lattice of less than 2^63 "
            f"cells and 2^20 a side, found sides of {', '.join(f'{span:.3g}' for span in spans)}"
        )
    factors = [math.prod(map(int, spans[i + 1 :])) for i in range(size - 1)] + [0]
    steps = [sum(factors) - size * factor for factor in factors]
    key = torch.zeros_like(order[0])
    for row, least, factor in zip(coordinates, low, factors):
        key += (row - least).long() * factor
    walk = torch.tensor(steps, device=order.device)[order[:-1]]
    return torch.cat([key[None], key + walk.cumsum(0)]), steps


def number_vertices(keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Number the M distinct keys among int64 (d + 1, N) in ascending order.

    Returns their keys int64 (M,), the number of each of the (d + 1) N entries int32, the entries sorted by number
    int64, and where each number starts among these, int32 (M + 1,).
    """
    keys, entries = keys.flatten().sort(stable=True)
    new = torch.ones_like(keys, dtype=torch.bool)
    torch.ne(keys[1:], keys[:-1], out=new[1:])
    numbers = torch.empty_like(keys, dtype=torch.int32).scatter_(0, entries, new.cumsum(0, dtype=torch.int32) - 1)
    starts = new.nonzero().squeeze(1)
    ends = starts.new_tensor([len(keys)])
    return keys[starts], numbers, entries, torch.cat([starts, ends]).int()


def blur_matrix(keys: torch.Tensor, step: int) -> Matrix:
    """Blur along one axis, a Matrix (M, M) of the vertices with the sorted keys int64 (M,).

    1 for the vertex itself, 1/2 for each of its two neighbours that exists.
    """
    found = torch.searchsorted(keys, keys + step).clamp_(max=len(keys) - 1)
    has_next = keys[found] == keys + step
    vertices = has_next.nonzero().squeeze(1)
    following = found[vertices]
    has_previous = torch.zeros_like(has_next)
    has_previous[following] = True
    starts = torch.zeros(len(keys) + 1, dtype=torch.int32, device=keys.device)
    torch.cumsum(has_next.int() + has_previous + 1, 0, out=starts[1:])
    own = starts[:-1] + has_previous  # entry of a vertex in its own row
    indices = starts.new_empty(len(keys) + 2 * len(vertices))
    indices[own] = torch.arange(len(keys), dtype=torch.int32, device=keys.device)
    indices[own[vertices] + 1] = following.int()
    indices[own[following] - 1] = vertices.int()
    values = torch.full_like(indices, 0.5, dtype=torch.float32)
    values[own] = 1
    return Matrix(indices, starts, values)
