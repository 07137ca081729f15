"""Class maps in floating point, as irn and the code built on it store them: <id>.npy, a pickled dictionary.

Of irn, ReCAM and others {"keys": the K 0-based classes, "cam": (K, h, w) at stride 4, "high_res": (K, H, W)}, of AMN
the same with the background's map before the classes', of SEAM {0-based class: (H, W)}. A pickle can run any code, so
only the arrays and tensors that belong in such a file are made of it.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from stages.files import InputError, atomic

LAYOUT = "expected a pickled dictionary with the keys `keys`, `cam` and `high_res`, or {class: map}"


class _Unpickler(pickle.Unpickler):  # noqa: S301
    """Makes NumPy's arrays and PyTorch's tensors, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        found = {
            ("numpy", "ndarray"): None,  # an argument of _reconstruct
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): _empty_array,
            ("numpy._core.multiarray", "_reconstruct"): _empty_array,
            ("collections", "OrderedDict"): dict,
            ("torch._utils", "_rebuild_tensor_v2"): _tensor,
            ("torch.storage", "_load_from_bytes"): _storage,
        }
        if (module, name) not in found:
            raise pickle.UnpicklingError(f"it would call {module}.{name}")
        return found[module, name]


def _empty_array(*_):
    """Array whose type, shape and values come afterwards."""
    return np.empty(0, np.int8)


def _storage(content):
    """The numbers of a tensor."""
    import torch

    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def _tensor(storage, offset, shape, strides, *_):
    """Tensor as an array. Raises ValueError if it has more elements than its storage."""
    import torch

    tensor = torch.empty(0, dtype=storage.dtype).set_(storage, offset, shape, strides)
    if tensor.nbytes > tensor.untyped_storage().nbytes():
        raise ValueError("a tensor is larger than its numbers")
    return tensor.numpy()


def read_npy(path: Path) -> list[dict[int, np.ndarray]]:
    """Read an image's maps: {0-based class: float (h, w), up to 1} for each resolution of the file, the finest first.

    SEAM's have numbers below 0 where a map is lowest; they count as 0, as in its own arg max against a background.
    Raises InputError if the file cannot be read, or is none of those above.
    """
    try:
        with open(path, "rb") as file:
            if np.lib.format.read_magic(file) != (1, 0):
                raise ValueError("another version of NumPy's format")
            np.lib.format.read_array_header_1_0(file)
            content = _Unpickler(file).load().item()
        found = _maps(content)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except MemoryError:
        raise
    except Exception as error:  # a damaged pickle can raise almost any exception
        raise InputError(f"{path}: {LAYOUT} ({' '.join(str(error).split()):.80})") from None
    for map_ in (map_ for maps in found for map_ in maps.values()):
        if map_.ndim != 2 or not map_.size or not (-np.inf < map_.min() and map_.max() <= 1.001):  # also of NaN
            raise InputError(f"{path}: expected maps (h, w) of numbers up to 1")
    return found


def _maps(content):
    """The maps of a file's dictionary, as `read_npy` returns them. Raises an exception of any kind."""
    if "keys" not in content:
        return [{int(cls): np.asarray(map_) for cls, map_ in content.items()}]
    classes = [int(cls) for cls in content["keys"]]
    stacks = [np.asarray(content[name]) for name in ("high_res", "cam")]
    for stack in stacks:
        if len(stack) not in (len(classes), len(classes) + 1):  # AMN's has the background, too
            raise ValueError(f"{len(stack)} maps of {len(classes)} classes")
    return [dict(zip(classes, stack[len(stack) - len(classes) :])) for stack in stacks]


def write_npy(path: Path, classes: list[int], cam: np.ndarray, high_res: np.ndarray) -> None:
    """Write the maps of K 0-based classes in irn's layout: `cam` float32 (K, h, w), `high_res` float32 (K, H, W)."""
    import torch

    content = {"keys": torch.tensor(classes), "cam": torch.from_numpy(cam), "high_res": high_res}
    with atomic(path) as partial, open(partial, "wb") as file:
        np.save(file, content)
