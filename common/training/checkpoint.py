"""Weight files, {"arch": the network's description, "state_dict": its tensors}, and states of unfinished trainings."""

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from common.nets import portable
from common.nets.resnet import ResNet, from_torchvision_resnet
from common.nets.timm_backbone import our_names
from stages import distributed
from stages.files import InputError, atomic


def save(path: Path, **content: Any) -> None:
    """Write `content` as one file, complete or not at all. Raises OSError if the disk is full."""
    with atomic(path, sync=True) as partial, open(partial, "wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # PyTorch raises it in handling the OSError of a full disk
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def load(path: Path) -> dict[str, Any]:
    """Load the content of a weight file, tensors and plain values only, onto the CPU.

    It is one of PyTorch, or of common.nets.portable if its name ends in .safetensors. Raises InputError if the file is
    missing, damaged, or not a weight file, or if a number in it is not finite.
    """
    try:
        if Path(path).suffix == ".safetensors":
            content = portable.read(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about kinds of tensors that are refused below
                content = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (InputError, MemoryError):
        raise
    except Exception:  # a damaged file can make PyTorch raise almost any exception
        raise InputError(f"{path}: expected a PyTorch weight file (tensors and plain values only)") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a dictionary of tensors, found {type(content).__name__}")
    if not isinstance(content.get("state_dict", {}), dict):
        raise InputError(f"{path}: expected a dictionary of tensors as its state_dict")
    for name, tensor in state_dict(content).items():
        odd = tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.dim() > 8
        if odd or _repeats(tensor):
            raise InputError(f"{path}: expected plain tensors, {name} is none")
        if tensor.is_floating_point() and not tensor.float().isfinite().all():
            raise InputError(f"{path}: expected finite numbers, found NaN or infinity in {name}")
    return content


def _repeats(tensor):
    """Whether a tensor is larger than its storage, as `expand` makes it: with it a small file could fill the memory."""
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def state_dict(content: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Tensors of a loaded weight file, ours or foreign, without the prefixes `module.` and `base.` of wrappers."""
    found = content.get("state_dict", content).items()
    tensors = {str(name): tensor for name, tensor in found if isinstance(tensor, torch.Tensor)}
    return {name.removeprefix("module.").removeprefix("base."): tensor for name, tensor in tensors.items()}


@contextmanager
def prefix_errors(path: Path) -> Iterator[None]:
    """Context in which the message of an InputError gets the file `path` as its prefix."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def load_into(model: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Load a weight file's `content` into a network of exactly its architecture.

    Raises InputError naming `path` and the first tensor that is missing, unexpected or of another shape.
    """
    found, wanted = state_dict(content), model.state_dict()
    for name in wanted:
        if name.endswith("num_batches_tracked"):  # old files lack it; with a fixed momentum nothing reads it
            found.setdefault(name, wanted[name])
        if name not in found:
            raise InputError(f"{path}: expected weights of another architecture: {name} is missing")
        if wanted[name].shape != found[name].shape:
            shapes = f"{tuple(wanted[name].shape)}, found {tuple(found[name].shape)}"
            raise InputError(f"{path}: expected weights of another architecture: {name} should be {shapes}")
    for name in found:
        if name not in wanted:
            raise InputError(f"{path}: expected weights of another architecture: {name} has no place in this network")
    model.load_state_dict(found)


def load_network(path: Path, build: Callable[..., nn.Module], commands: str, network: str | None = None) -> nn.Module:
    """Load the network of a weight file of `commands`, in eval mode; `build` makes it of the file's `arch`.

    Raises InputError if it is not such a file, or of another `network`, if given.
    """
    content = load(path)
    arch = content.get("arch")
    if not isinstance(arch, dict) or "network" not in arch or network not in (None, arch["network"]):
        raise InputError(f"{path}: expected weights of {commands}")
    with prefix_errors(path):
        model = build(**arch)
    load_into(model, content, path)
    return model.eval()


def load_backbone(model: nn.Module, content: dict[str, Any], path: Path) -> None:
    """Load the tensors `features.…` of a weight file's `content` into a network; its other tensors are unchanged.

    With a network of timm as `features` it may be a file of timm, with a ResNet one of torchvision. Raises InputError
    naming `path` and the first tensor of the backbone that is missing or of another shape, or one of timm's that has no
    place in it.
    """
    state = state_dict(content)
    if isinstance(model.features, ResNet) and "layer1.0.conv3.weight" in state:
        state = {f"features.{name}": tensor for name, tensor in from_torchvision_resnet(state).items()}
    with prefix_errors(path):
        found = {ours: state[name] for name, ours in our_names(state, model).items()}
    backbone = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("features.")}
    for name, tensor in backbone.items():
        if name.endswith("num_batches_tracked"):  # old files lack it; nothing reads it
            found.setdefault(name, tensor)
        if name not in found or found[name].shape != tensor.shape:
            shape = tuple(found[name].shape) if name in found else "nothing"
            raise InputError(
                f"{path}: expected a backbone of this size: {name} should be {tuple(tensor.shape)}, found {shape}"
            )
    model.load_state_dict({name: found[name] for name in backbone}, strict=False)


def save_training(
    path: Path, iteration: int, model: nn.Module, optimizer: torch.optim.Optimizer, states: dict[str, dict]
) -> None:
    """Save all that the rest of a training depends on; `states` are further state_dicts, by name.

    The learning rate, the epoch and the order of the images follow from the iteration, their augmentation from seed
    and position (common.training.loop), so loader processes have no state. A collective call: all processes make it,
    the first writes.
    """
    random = distributed.gather(random_states())
    if distributed.IS_FIRST:
        content = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "states": states}
        save(path, iteration=iteration, random=random, **content)


def resume_training(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, states: dict[str, Any]) -> int:
    """Restore what `save_training` wrote; `states` are the objects to restore, by name.

    Returns the iteration, 0 if there is no such file. Raises InputError if the file is unusable or not the same for all
    processes, or if another number of processes wrote it.
    """
    content = load(path) if path.exists() else {"iteration": 0}
    if len(set(distributed.gather(content["iteration"]))) > 1:
        raise InputError(f"{path}: not the same file for all processes; does each machine see the folder?")
    if content["iteration"] == 0:
        return 0
    if content.get("states", {}).keys() != states.keys():
        raise InputError(f"{path}: expected the state of this version's training; --force restarts")
    if len(content["random"]) != distributed.WORLD_SIZE:
        raise InputError(
            f"{path}: expected to go on with {len(content['random'])} processes, as it was begun; --force restarts"
        )
    model.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    for name, each in states.items():
        each.load_state_dict(content["states"][name])
    restore_random_states(content["random"][distributed.RANK])
    return content["iteration"]


def random_states() -> dict[str, Any]:
    """States of this process's random generators (Python, NumPy, PyTorch, its GPU) as plain values and tensors."""
    name, keys, *rest = np.random.get_state()
    gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": gpu,
    }


def restore_random_states(states: dict[str, Any]) -> None:
    """Set this process's random generators to what `random_states` returned."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def seed_everything(seed: int) -> None:
    """Seed the random generators of Python, NumPy and PyTorch."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_by_rank(seed: int) -> None:
    """Give each process its own random numbers, as for dropout, once all have built the same model.

    The first process keeps its generators' states, as in training with one process.
    """
    if not distributed.IS_FIRST:
        seed_everything(int(np.random.SeedSequence([seed, distributed.RANK]).generate_state(1)[0]))
