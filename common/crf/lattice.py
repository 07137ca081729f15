"""Gaussian filter on the permutohedral lattice (Adams, Baek and Davis, Eurographics 2010), in PyTorch.

Each of N points with d features is elevated to the hyperplane of d + 1 coordinates that sum to 0 and lies there in a
simplex of d + 1 lattice vertices. Values are splatted onto the vertices, blurred along the d + 1 axes and sliced back.
All three are products with sparse matrices. `embedding_bag` computes such a product: on a CPU in half of SciPy's
time, on CUDA without atomic additions, so that the order of a sum, and with it the result, does not vary. There
each row is summed by one warp, entry after entry, so rows that are long, of thousands in photographs, are split.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from stages.files import InputError

LARGEST_SPAN = 2**20  # of a lattice coordinate: beyond it float32 is too coarse within a simplex
KEYS = 2**63  # the range of int64
LONGEST_ROW = {"cpu": math.inf, "cuda": 64}  # entries of a matrix's row; longer ones are split
CPU_TABLE = 24 * 2**20  # bytes: glibc returns larger blocks to the system, and new ones cost more than the filter
CPU_COLUMNS = 8  # at least: with fewer at once, reading the indices costs more than the values


class Lattice:
    """Gaussian filter of standard deviation 1 for values (N, C) of points with features (d, N), float32.

    The filter F is normalised symmetrically and scaled: weight · n · F(n · values) with n = 1 / √(F(1) + 1e-20), as in
    Krähenbühl and Koltun's dense CRF. The matrices take about 16 N (d + 1) bytes and, with M vertices, 12 M (d + 3);
    M ≤ N (d + 1). A call needs two tables (M + 1, C); on a CPU, only as many columns at a time as fit into 24 MiB each,
    but at least 8.

    Building it waits for a GPU three times: for the lattice's sides, M and the longest row. A call never waits.

    Raises InputError if the features' range is so large that vertices' keys exceed 63 bits, or coordinates 20.
    """

    def __init__(self, features: torch.Tensor, weight: float = 1.0):
        d, points = features.shape
        elevated = elevate(features)
        nearest, order = enclosing_simplex(elevated)
        weights = barycentric_weights(elevated, nearest, order)
        keys, steps = vertex_keys(nearest, order)
        keys, vertices, entries, starts = number_vertices(keys)
        self.size = len(keys)  # M + 1, the last of which no point has
        splat = Matrix((entries % points).int(), starts, weights.flatten()[entries])
        rows = equal_rows(points, d + 1, features.device)
        slice = Matrix(vertices.view(d + 1, points).T.flatten(), rows, weights.T.flatten())
        splats = split_rows(splat, LONGEST_ROW[features.device.type])
        self.matrices = [*splats, *blur_matrices(keys, steps), slice]

        scale = 1 / (1 + 2**-d)  # the blurs do not keep the sum
        norm = 1 / (scale * self._filter(features.new_ones(points, 1)) + 1e-20).sqrt()  # (N, 1)
        splat.values.mul_(norm.squeeze(1)[splat.indices])
        slice.values.view(points, d + 1).mul_(norm * (scale * weight))

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        """Filter values: float32 (N, C) -> (N, C)."""
        columns = values.shape[1]
        at_once = columns if values.is_cuda else max(CPU_COLUMNS, CPU_TABLE // (4 * self.size))
        if columns <= at_once:
            return self._filter(values)
        return torch.cat([self._filter(part) for part in values.tensor_split(math.ceil(columns / at_once), 1)], 1)

    def _filter(self, values):
        for matrix in self.matrices:
            values = matrix.times(values)
        return values


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
    # number of coordinates that are farther; of equal ones the earlier counts as such (not ≥, for NaN's sake)
    rank = torch.stack([(row < distance[i:]).sum(0) + (~(distance[:i] < row)).sum(0) for i, row in enumerate(distance)])
    rank += nearest.sum(0).long()  # the sum is not 0 where rounding left the hyperplane
    wraps = rank.div(size, rounding_mode="floor")
    rank -= wraps * size
    place = torch.arange(size, device=elevated.device)[:, None].expand_as(rank)
    order = torch.empty_like(place).scatter_(0, size - 1 - rank, place)
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
    table = torch.tensor([factors, steps]).to(order.device, non_blocking=True)  # (2, d + 1)
    key = ((coordinates - low[:, None]).long() * table[0, :-1, None]).sum(0)
    walk = table[1][order[:-1]]
    return torch.cat([key[None], key + walk.cumsum(0)]), steps


def number_vertices(keys: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Number the M distinct keys among int64 (d + 1, N) in ascending order, and by M a vertex that no point has.

    Returns their keys int64 (M + 1,), the number of each of the (d + 1) N entries int32, the entries sorted by number
    int64, and where each number starts among these, and the last one ends, int32 (M + 2,).
    """
    keys, entries = keys.flatten().sort(stable=True)
    keys = torch.cat([keys, keys.new_full((1,), KEYS - 1)])  # no vertex or neighbour has this key
    new = torch.ones_like(keys, dtype=torch.bool)
    torch.ne(keys[1:], keys[:-1], out=new[1:])
    numbers = torch.empty_like(entries, dtype=torch.int32)
    numbers.scatter_(0, entries, new[:-1].cumsum(0, dtype=torch.int32) - 1)
    starts = new.nonzero().squeeze(1)
    return keys[starts], numbers, entries, torch.cat([starts, starts[-1:]]).int()


def blur_matrices(keys: torch.Tensor, steps: list[int]) -> list[Matrix]:
    """Blurs (M + 1, M + 1) along the axes with these `steps`, of the vertices with the sorted keys int64 (M + 1,).

    A row takes a vertex itself once and half of each of its two neighbours. Where one is absent, it takes half of the
    last vertex, which is absent itself: its value is always 0.
    """
    rows, values = equal_rows(len(keys), 3, keys.device), torch.full((len(keys), 3), 0.5, device=keys.device)
    values[:, 1].fill_(1)
    return [Matrix(neighbours(keys, step).flatten(), rows, values.flatten()) for step in steps]


def neighbours(keys: torch.Tensor, step: int) -> torch.Tensor:
    """Number, int32 (M + 1, 3), of the vertex one step before each, of itself and of the one after it; M if absent."""
    absent = len(keys) - 1
    own = torch.arange(len(keys), dtype=torch.int32, device=keys.device)
    sought = keys + step
    after = torch.searchsorted(keys, sought)
    after.masked_fill_(keys[after] != sought, absent)
    before = torch.full_like(own, absent).scatter_(0, after, own)
    before[absent:].fill_(absent)  # where all write that have none after them
    return torch.stack([before, own, after.int()], 1)


def equal_rows(count: int, entries: int, device: torch.device) -> torch.Tensor:
    """Starts of a Matrix whose `count` rows have as many `entries` each, int32 (count + 1,)."""
    return torch.arange(0, count * entries + 1, entries, dtype=torch.int32, device=device)


def split_rows(matrix: Matrix, limit: float) -> list[Matrix]:
    """Factors of a Matrix, the first to be applied first, whose rows have at most `limit` entries, 3 or more.

    The first has the entries of `matrix`, in rows that also end at each multiple of `limit` in `indices`. The next adds
    up the pieces of a row; where they are too many, it is split in turn.
    """
    indices, starts, values = matrix
    longest, factors = int(starts.diff().amax()), []
    count = torch.arange(len(starts), dtype=torch.int32, device=starts.device)
    while longest > limit:
        multiples = torch.arange(0, len(indices), limit, dtype=torch.int32, device=starts.device)
        pieces = torch.cat([starts, multiples]).sort().values
        factors.append(Matrix(indices, pieces, values))
        starts = count + (starts + (limit - 1)) // limit  # before a row: other rows' starts, and multiples
        indices = torch.arange(len(pieces) - 1, dtype=torch.int32, device=starts.device)
        values = torch.ones_like(indices, dtype=torch.float32)
        longest = 1 + math.ceil(longest / limit)
    return [*factors, Matrix(indices, starts, values)]
