"""Dense CRF post-processing (paper 4.1; Krähenbühl and Koltun, NeurIPS 2011; parameters as published), on every device.

Two backends compute the same up to rounding: `pydensecrf`, the authors' code, which needs a C++ compiler to be built,
and `lattice`, ours in PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from stages.arguments import natural, positive_float, positive_int
from stages.files import InputError
from stages.parallel import machine_memory

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace

    import torch

    from common.crf.lattice import Lattice

    Array = np.ndarray | torch.Tensor

DEFAULTS = {
    "iterations": 10,
    "gaussian_sxy": 1,
    "gaussian_weight": 3,
    "bilateral_sxy": 67,
    "bilateral_srgb": 3,
    "bilateral_weight": 4,
}
PARAMETERS = {  # the type and the meaning of each
    "iterations": (natural, "mean-field iterations"),
    "gaussian_sxy": (positive_int, "smoothness kernel: standard deviation in pixels"),
    "gaussian_weight": (natural, "smoothness kernel: weight"),
    "bilateral_sxy": (positive_int, "appearance kernel: standard deviation in pixels"),
    "bilateral_srgb": (positive_int, "appearance kernel: standard deviation in colour values, 0 to 255"),
    "bilateral_weight": (natural, "appearance kernel: weight"),
}
BACKENDS = ("auto", "lattice", "pydensecrf")
SMALLEST_PROBABILITY = 1e-5  # as published: lower ones are raised to it
MEMORY = {  # on a CPU, measured on noise, which needs most: bytes per process, per pixel, and per pixel and class
    "lattice": (350 * 2**20, 1700, 36),
    "pydensecrf": (80 * 2**20, 650, 76),
}
LIKELY = 10  # assumed number of classes of an image above a minimum probability


def choose_backend(backend: str, device_type: str = "cpu") -> str:
    """Choose the backend, "lattice" or "pydensecrf". `device_type`: where the probabilities are, "cpu" or "cuda".

    "auto" means lattice on a GPU and wherever pydensecrf cannot be imported. Raises InputError if `backend` is not one
    of BACKENDS, or is pydensecrf and cannot be imported.
    """
    if backend not in BACKENDS:
        raise InputError(f"dense CRF: expected a backend of {', '.join(BACKENDS)}, found {backend}")
    if backend == "lattice" or backend == "auto" and device_type != "cpu":
        return "lattice"
    try:
        import pydensecrf.densecrf  # noqa: F401
    except Exception as error:  # one built for another NumPy raises other errors than ImportError
        if backend == "auto":
            return "lattice"
        reason = " ".join(str(error).split())
        raise InputError(
            f"dense CRF: expected pydensecrf to be installed (pip install -r requirements-crf.txt), found: {reason}"
        ) from None
    return "pydensecrf"


def add_crf_arguments(parser: ArgumentParser, parameters: dict[str, Any]) -> None:
    """Add --crf-…: `parameters` of dense_crf with these defaults, the backend, and the memory on a CPU."""
    group = parser.add_argument_group("dense CRF (defaults as published)")
    for name, value in parameters.items():
        kind, meaning = PARAMETERS[name]
        group.add_argument(f"--crf-{name.replace('_', '-')}", type=kind, default=value, help=meaning)
    group.add_argument(
        "--crf-backend",
        choices=BACKENDS,
        default="auto",
        help="lattice is this project's and runs on CPU and GPU, pydensecrf runs on the CPU only; auto chooses lattice "
        "on a GPU, otherwise pydensecrf if it is installed. The choice is recorded",
    )
    group.add_argument(
        "--crf-memory",
        type=positive_float,
        default=max(1, machine_memory() // 2**31),
        metavar="GIB",
        help="memory limit for the CRF on CPUs: as many images are processed at once as fit, by estimate, and as there "
        "are cores (default: half of the machine's or the job's memory, here %(default)s)",
    )


def resolve_backend(args: Namespace, recorded: dict[str, Any] | None) -> dict[str, str]:
    """Resolve --crf-backend auto, for `stages.command.main`: the recorded backend, else the one for --device.

    Raises InputError if there is no such device.
    """
    if args.crf_backend != "auto":
        return {}
    backend = (recorded or {}).get("crf_backend", "auto")
    if backend == "auto":  # there is no record, or it is of a stage without CRF
        from common.training import device as devices

        backend = choose_backend("auto", devices.select_device(args.device).type)
    return {"crf_backend": backend}


def stays_on_device(device: torch.device, crf: dict[str, Any] | None) -> bool:
    """Whether labels are made on the device: yes on a GPU, unless the CRF is pydensecrf's, which runs on CPUs only.

    `crf`: dense_crf's parameters, including `backend`, or None.
    """
    return device.type == "cuda" and not (crf and crf["backend"] == "pydensecrf")


def memory_of(backend: str, pixels: int, classes: int, min_probability: float = 0.0) -> int:
    """Estimate the bytes that a process on a CPU needs for dense_crf on an image, with its inputs and libraries.

    With a `min_probability`, LIKELY classes are assumed to exceed it.
    """
    per_process, per_pixel, per_pixel_and_class = MEMORY[choose_backend(backend)]
    classes = min(classes, LIKELY) if min_probability else classes
    return per_process + pixels * (per_pixel + classes * per_pixel_and_class)


def dense_crf(
    image: Array,
    probabilities: Array,
    iterations: int,
    gaussian_sxy: float,
    gaussian_weight: float,
    bilateral_sxy: float,
    bilateral_srgb: float,
    bilateral_weight: float,
    backend: str = "auto",
    min_probability: float = 0.0,
) -> Array:
    """Mean-field inference in a fully connected CRF; returns probabilities of the same shape, float32 (C, H, W).

    image: uint8 (H, W, 3), RGB. probabilities: float32 (C, H, W), a softmax, or (S, C, H, W), several for the same
    image, inferred independently with kernels that are made once. Both are NumPy arrays, or both are torch tensors on
    one device; the result is of the same kind. `backend`: see choose_backend. `min_probability`, for (C, H, W) only:
    classes whose probability exceeds it nowhere in the image are left out and get 0; 0 keeps all classes. memory_of
    estimates the memory on a CPU. Raises InputError for the backend, or for standard deviations too small for the
    lattice; ValueError for (S, C, H, W) with a minimum probability.
    """
    if min_probability and probabilities.ndim > 3:
        raise ValueError("a minimum probability is for (C, H, W) only")
    is_tensor = hasattr(probabilities, "detach")
    chosen = choose_backend(backend, probabilities.device.type if is_tensor else "cpu")
    infer = {"lattice": lattice_mean_field, "pydensecrf": pydensecrf_mean_field}[chosen]
    gaussian, bilateral = (gaussian_sxy, gaussian_weight), (bilateral_sxy, bilateral_srgb, bilateral_weight)
    if is_tensor and chosen == "pydensecrf":
        image, probabilities, device = image.cpu().numpy(), probabilities.cpu().numpy(), probabilities.device

    if not min_probability:
        result = infer(image, probabilities, iterations, gaussian, bilateral)
    else:
        likely = likely_classes(probabilities, min_probability)
        if is_tensor and chosen == "lattice":
            likely = likely.nonzero().squeeze(1)  # waits for a GPU once; each use of a mask would wait
        part = infer(image, probabilities[likely], iterations, gaussian, bilateral)
        result = part.new_zeros(probabilities.shape) if hasattr(part, "new_zeros") else np.zeros_like(probabilities)
        result[likely] = part

    if is_tensor and chosen == "pydensecrf":
        import torch

        return torch.from_numpy(result).to(device)
    return result


def likely_classes(probabilities: Array, min_probability: float) -> Array:
    """Mask bool (C,): classes of (C, H, W) that exceed the probability in some pixel, and always the most probable."""
    if hasattr(probabilities, "detach"):
        peaks = probabilities.amax((1, 2))
        return (peaks > min_probability).index_fill_(0, peaks.argmax(), True)
    peaks = probabilities.max((1, 2))
    likely = peaks > min_probability
    likely[peaks.argmax()] = True
    return likely


def pydensecrf_mean_field(
    image: np.ndarray,
    probabilities: np.ndarray,
    iterations: int,
    gaussian: tuple[float, float],
    bilateral: tuple[float, float, float],
) -> np.ndarray:
    """dense_crf with pydensecrf, on arrays. `gaussian`: (sxy, weight); `bilateral`: (sxy, srgb, weight)."""
    from pydensecrf.densecrf import DenseCRF2D

    count, height, width = probabilities.shape[-3:]
    crf = DenseCRF2D(width, height, count)
    sxy, weight = gaussian
    crf.addPairwiseGaussian(sxy=sxy, compat=weight)
    sxy, srgb, weight = bilateral
    rgb = np.array(image, order="C")  # a copy, because pydensecrf takes no read-only array
    crf.addPairwiseBilateral(sxy=sxy, srgb=srgb, rgbim=rgb, compat=weight)
    results = []
    for given in probabilities.reshape(-1, count, height * width):
        unary = -np.log(np.clip(given, SMALLEST_PROBABILITY, 1, dtype=np.float32))
        crf.setUnaryEnergy(np.ascontiguousarray(unary))
        results.append(np.array(crf.inference(iterations), np.float32))
    return np.stack(results).reshape(probabilities.shape)


def lattice_mean_field(
    image: Array,
    probabilities: Array,
    iterations: int,
    gaussian: tuple[float, float],
    bilateral: tuple[float, float, float],
) -> Array:
    """dense_crf with our lattice, on arrays or tensors of one device. `gaussian`, `bilateral`: see lattice_filters."""
    import torch

    if not hasattr(probabilities, "detach"):
        arrays = np.require(image, np.uint8, "CW"), np.require(probabilities, np.float32, "CW")
        return lattice_mean_field(*map(torch.from_numpy, arrays), iterations, gaussian, bilateral).numpy()
    return mean_field(lattice_filters(image, gaussian, bilateral), probabilities, iterations)


def mean_field(filters: list[Lattice], probabilities: torch.Tensor, iterations: int) -> torch.Tensor:
    """Mean-field inference with the kernels of lattice_filters: float32 (C, H, W) or (S, C, H, W) -> the same shape.

    Unary energies are −log of the probabilities. An iteration adds the messages of the Potts model: the probabilities,
    filtered by the Gaussian kernels of position and of position and colour. This never waits for a GPU.
    """
    import torch

    with torch.no_grad():
        unary = probabilities.float().clamp(min=SMALLEST_PROBABILITY).log_()
        unary = unary.flatten(-2).movedim(-1, 0).contiguous()  # (N, C) or (N, S, C)
        result = unary.softmax(-1)
        for _ in range(iterations):
            logits = unary.clone()
            for filter in filters:
                logits += filter(result.flatten(1)).view_as(logits)
            result = logits.softmax(-1)
        return result.movedim(0, -1).reshape(probabilities.shape)


def lattice_filters(
    image: torch.Tensor, gaussian: tuple[float, float], bilateral: tuple[float, float, float]
) -> list[Lattice]:
    """Filters of both kernels over the pixels of uint8 (H, W, 3), without those of weight 0.

    gaussian: (sxy, weight), of position; bilateral: (sxy, srgb, weight), of position and colour.
    """
    import torch

    from common.crf.lattice import Lattice

    rows, columns = (torch.arange(side, dtype=torch.float32, device=image.device) for side in image.shape[:2])
    position = torch.stack([part.flatten() for part in torch.meshgrid(columns, rows, indexing="xy")])  # (2, N): x, y
    colour = image.reshape(-1, 3).T.float()  # (3, N)

    def scaled(values: torch.Tensor, deviation: float) -> torch.Tensor:
        return values / values.new_full((), deviation)  # by a Python number, CUDA multiplies with a rounded reciprocal

    filters = []
    sxy, weight = gaussian
    if weight:
        filters.append(Lattice(scaled(position, sxy), weight))
    sxy, srgb, weight = bilateral
    if weight:
        filters.append(Lattice(torch.cat([scaled(position, sxy), scaled(colour, srgb)]), weight))
    return filters
