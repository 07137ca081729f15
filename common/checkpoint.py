"""Weight files: {"arch": what builds the network, "state_dict": its tensors}; and the state of unfinished training."""

import random
import warnings

import numpy as np
import torch

from common import architecture, distributed
from common.files import InputError, atomic


def save(path, **content):
    """Writes `content` as one file, complete or not at all."""
    with atomic(path, sync=True) as partial, open(partial, "wb") as file:
        try:
            torch.save(content, file)
        except RuntimeError as error:  # that follows from a full disk, say, which is what matters
            raise error.__context__ if isinstance(error.__context__, OSError) else error


def load(path):
    """The content of a weight file, on the CPU. Only tensors and plain values are accepted.

    Raises InputError if the file is missing, damaged, or not a weight file, or if a number in it is not finite.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of kinds of tensors that are refused below
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except MemoryError:
        raise
    except Exception:  # a damaged file can make PyTorch raise almost any
        raise InputError(f"{path}: expected a PyTorch weight file (tensors and plain values only)") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a dictionary of tensors, found {type(content).__name__}")
    if not isinstance(content.get("state_dict", {}), dict):
        raise InputError(f"{path}: expected a dictionary of tensors as its state_dict")
    architecture.check(content, path)
    for name, tensor in state_dict(content).items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or _repeats(tensor):
            raise InputError(f"{path}: expected plain tensors, {name} is none")
        if tensor.is_floating_point() and not tensor.float().isfinite().all():
            raise InputError(f"{path}: expected finite numbers, found NaN or infinity in {name}")
    return content


def _repeats(tensor):
    """Whether a tensor is larger than what is stored of it, as one made by `expand`: a small file could fill the memory."""
    return tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes()


def state_dict(content):
    """The tensors of a loaded weight file, whoever wrote it, without the wrappers' prefixes `module.` and `base.`."""
    found = content.get("state_dict", content).items()
    tensors = {str(name): tensor for name, tensor in found if isinstance(tensor, torch.Tensor)}
    return {name.removeprefix("module.").removeprefix("base."): tensor for name, tensor in tensors.items()}


def load_into(model, content, path):
    """Loads a weight file into a network of exactly its architecture.

    Raises InputError naming the first tensor that is missing, left over or of another shape.
    """
    found, wanted = state_dict(content), model.state_dict()
    for name in wanted:
        if name.endswith("num_batches_tracked"):  # old files lack it, and nothing here reads it
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


def load_trunk(model, content, path):
    """Loads the tensors `features.…` of a weight file into a network that has them; the rest of the network is left.

    Raises InputError naming the first tensor of the trunk that is missing or of another shape.
    """
    found = state_dict(content)
    trunk = {name: tensor for name, tensor in model.state_dict().items() if name.startswith("features.")}
    for name, tensor in trunk.items():
        if name not in found or found[name].shape != tensor.shape:
            shape = tuple(found[name].shape) if name in found else "nothing"
            raise InputError(
                f"{path}: expected a trunk of this size: {name} should be {tuple(tensor.shape)}, found {shape}"
            )
    model.load_state_dict({name: found[name] for name in trunk}, strict=False)


def save_training(path, iteration, model, optimizer, extra):
    """What the rest of a training run depends on; `extra` is a dictionary of tensors and plain values.

    The learning rate, the epoch and the images' order follow from the iteration, their augmentation from seed and
    position (common.training): no loader process has a state. All processes call it together; the first writes.
    """
    random = distributed.gather(random_states())
    if distributed.IS_FIRST:
        states = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "extra": extra}
        save(path, iteration=iteration, random=random, **states)


def resume_training(path, model, optimizer):
    """Restores what `save_training` wrote. Returns (iteration, extra); (0, None) if there is no such file.

    Raises InputError if another number of processes wrote it.
    """
    state = load(path) if path.exists() else {"iteration": 0}
    if len(set(distributed.gather(state["iteration"]))) > 1:
        raise InputError(f"{path}: not the same file for all processes; does each machine see the folder?")
    if state["iteration"] == 0:
        return 0, None
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    if len(state["random"]) != distributed.WORLD_SIZE:
        raise InputError(f"{path}: expected to go on with {len(state['random'])} processes, as it was begun")
    restore_random_states(state["random"][distributed.RANK])
    return state["iteration"], state["extra"]


def random_states():
    """The states of this process's random generators: Python's, NumPy's, PyTorch's, the GPU's; as plain values."""
    name, keys, *rest = np.random.get_state()
    gpu = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return {
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
        "torch": torch.get_rng_state(),
        "cuda": gpu,
    }


def restore_random_states(states):
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def seed_apart(seed):
    """Once the model is built, the same in all processes: from here on each draws its own numbers, as for dropout.

    The first goes on as if it were alone.
    """
    if not distributed.IS_FIRST:
        seed_everything(int(np.random.SeedSequence([seed, distributed.RANK]).generate_state(1)[0]))
