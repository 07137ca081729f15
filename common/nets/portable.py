"""Weight files as safetensors, for others: tensors beside a description in JSON, in a form that can hold no code.

The description is one string of the file's metadata, `description`: {"content": what the weight file holds beside its
tensors, such as `arch` and `pyramid`, "stage": the record of the training}. One string, because safetensors writes
several in a random order, and the same weights shall give the same bytes.
"""

import json
from pathlib import Path
from typing import Any

import torch

from stages.files import InputError

TYPES = (torch.float32, torch.int64)  # weights and statistics, and what batch norm counts


def write(path: Path, content: dict[str, Any], stage: dict[str, Any]) -> None:
    """Write the `content` of a weight file, as checkpoint.load returns it, and the record of its `stage`.

    Tensors keep their names, values and types. Raises InputError if the content is not of tensors in a state_dict,
    float32 or int64, and of values that JSON can hold.
    """
    from safetensors.torch import save

    tensors = content.get("state_dict")
    if not tensors or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise InputError("expected tensors as its state_dict")
    for name, tensor in tensors.items():
        _check_type(name, tensor)
    rest = {name: value for name, value in content.items() if name != "state_dict"}
    try:
        description = json.dumps({"content": rest, "stage": stage}, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"expected plain values beside its tensors ({error})") from None
    # copies, as a file may hold neither views nor one tensor under two names
    tensors = {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()}
    path.write_bytes(save(tensors, {"description": description}))


def read(path: Path) -> dict[str, Any]:
    """Read what `write` wrote as the content of a weight file; of a file without description its tensors alone.

    Raises InputError if it is no safetensors file, has other types or another description, and OSError if it cannot
    be read.
    """
    from safetensors import safe_open

    with open(path, "rb"):  # its errors say more
        pass
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("description")
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except MemoryError:
        raise
    except Exception:  # several kinds of them, by the damage
        raise InputError(f"{path}: expected a safetensors file") from None
    for name, tensor in tensors.items():
        _check_type(f"{path}: {' '.join(name.split()):.100}", tensor)
    return (_described(path, text) if text is not None else {}) | {"state_dict": tensors}


def _check_type(name, tensor):
    if tensor.dtype not in TYPES:
        kind = str(tensor.dtype).removeprefix("torch.")
        raise InputError(f"{name}: expected numbers of float32 or int64, found {kind}")


def _described(path, text):
    """The content that a description names."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    content = found.get("content") if isinstance(found, dict) else None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a description as report.run.publish writes it")
    return content
