"""Base of the networks' descriptions: frozen dataclasses, a constructor's argument and the `arch` of its weight file.

Each field states which values it takes. They are checked when a description is made, so that nothing is built from a
foreign weight file with wrong or huge sizes.
"""

import dataclasses
import re
from argparse import Namespace
from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from stages.files import InputError


def count(default: Any = dataclasses.MISSING, low: int = 1) -> Any:
    """Field for a whole number from `low` to 8192."""
    return _field(f"a whole number from {low} to 8192", lambda value: _is_count(value, low), default)


def count_or_none() -> Any:
    """Field for a whole number from 1 to 8192, or None, the default, if it is unknown."""
    return _field("a whole number from 1 to 8192", lambda value: value is None or _is_count(value), None)


def counts(*default: int) -> Any:
    """Field for 1 to 16 whole numbers from 1 to 8192."""
    return _field("1 to 16 whole numbers from 1 to 8192", lambda value: _is_list(value, _is_count), default)


def flag(default: bool) -> Any:
    """Field for true or false."""
    return _field("true or false", lambda value: type(value) is bool, default)


def one_of(*values: int | str) -> Any:
    """Field for one of `values`, all of one type; the first is the default."""
    expected = " or ".join(map(str, values))
    return _field(expected, lambda value: type(value) is type(values[0]) and value in values, values[0])


def backbone(*names: str) -> Any:
    """Field for one of the backbones `names`, the first is the default, or for "timm:NAME", a network of timm."""
    default = names[0] if names else dataclasses.MISSING
    return _field(backbones(*names), lambda value: type(value) is str and (value in names or is_timm(value)), default)


def backbones(*names: str) -> str:
    """The values that `backbone` takes, for messages."""
    return " or ".join([*names, "timm:NAME"])


def is_timm(text: str) -> bool:
    """Whether a backbone is a network of timm; NAME is one that timm itself holds, no address or path."""
    return re.fullmatch(r"timm:[\w.]+", text) is not None


def names() -> Any:
    """Field for the names of the C foreground classes; empty, the default, if they are unknown."""
    return _field("up to 254 names", lambda value: _is_list(value, _is_name, least=0, most=254), ())


def _field(expected, holds, default):
    return dataclasses.field(default=default, metadata={"expected": expected, "holds": holds})


def _is_count(value, low=1):
    return type(value) is int and low <= value <= 8192


def check_pyramid(scales: Any) -> None:
    """Check the `pyramid` of a weight file, its network's extra input scales.

    Raises InputError unless it is a list of at most 16 numbers from 0.01 to 10.
    """
    if not _is_list(scales, _is_scale, least=0):
        raise InputError(f"expected as its pyramid up to 16 numbers from 0.01 to 10, found {scales!r:.60}")


def _is_scale(value):
    return type(value) in (int, float) and 0.01 <= value <= 10


def _is_name(value):
    return type(value) is str and 0 < len(value) <= 200


def _is_list(value, holds, least=1, most=16):
    return isinstance(value, (list, tuple)) and least <= len(value) <= most and all(map(holds, value))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Architecture:
    """Base class of the descriptions. Raises InputError if a field does not take its value."""

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, list):  # weight files and argparse have lists, which have no hash
                object.__setattr__(self, field.name, value := tuple(value))
            if not field.metadata["holds"](value):
                found = " ".join(repr(value).split())
                raise InputError(f"expected as its arch.{field.name} {field.metadata['expected']}, found {found:.60}")

    def to_file(self) -> dict[str, Any]:
        """Plain values, for `arch` in a weight file."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


@dataclasses.dataclass(frozen=True, kw_only=True)
class VGGArch(Architecture):
    """VGG backbone: channels and numbers of convolutions of its five stages; by default VGG16 at output stride 8."""

    channels: tuple[int, ...] = counts(64, 128, 256, 512, 512)
    depths: tuple[int, ...] = counts(2, 2, 3, 3, 3)
    batch_norm: bool = flag(False)
    output_stride: int = one_of(8, 4, 16)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ResNetArch(Architecture):
    """ResNet with `blocks` bottlenecks in its four stages and a stem of `width` channels; by default ResNet-50."""

    blocks: tuple[int, ...] = counts(3, 4, 6, 3)
    width: int = count(64)


def arguments_of(args: Namespace, network: str) -> dict[str, Any]:
    """The arguments of a command that the description of a network, "module:class", has as fields: {name: value}."""
    fields = dataclasses.fields(resolve_name(network).description)
    return {field.name: getattr(args, field.name) for field in fields if field.name in args}


def builder(networks: dict[str, str], key: str) -> Callable[..., Any]:
    """The function that builds one of `networks`, which maps each value of arch[key] to its "module:class".

    The value is "timm" for "timm:NAME"; the attribute `description` of the class is that of its argument.
    """

    def build(**arch: Any) -> Any:
        """Build the network that a weight file's `arch` describes, the fields of its description by name.

        Fields that an older file lacks get their defaults. Raises InputError if it describes no such network.
        """
        kind = _kind_of(arch, networks, key)
        network = resolve_name(networks[kind])
        return network(_description(arch, network.description, kind))

    return build


def _description(arch, description, kind):
    """Raises InputError if a field without default is missing, a name is unknown, or a value none of its field's."""
    fields = {field.name: field for field in dataclasses.fields(description)}
    for name in arch:
        if name not in fields:
            raise InputError(f"expected as its arch the sizes of a {kind}, found {name!r:.40}")
    for name, field in fields.items():
        if field.default is dataclasses.MISSING and name not in arch:
            raise InputError(f"expected the number of {name} in the arch of a {kind}, found {' '.join(arch):.60}")
    return description(**arch)


def _kind_of(arch, kinds, key):
    """arch[key], up to its colon. Raises InputError if it is none of `kinds`."""
    found = arch.get(key)
    kind = found.partition(":")[0] if type(found) is str else None
    if kind not in kinds:
        raise InputError(f"expected as its arch.{key} {' or '.join(kinds)}, found {' '.join(repr(found).split()):.60}")
    return kind
