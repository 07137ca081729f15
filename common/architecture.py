"""What a weight file may say of its network: its `arch`, of which the network is built, and the scales of its `pyramid`.

A file that says anything else is refused before anything is built.
"""

from common.files import InputError


def _is_count(value):
    return type(value) is int and 1 <= value <= 8192


def _is_count_or_none(value):
    return value is None or type(value) is int and 0 <= value <= 8192


def _is_list(value, holds, least=1):
    return isinstance(value, (list, tuple)) and least <= len(value) <= 16 and all(map(holds, value))


def _is_scale(value):
    return type(value) in (int, float) and 0.01 <= value <= 10


COUNT = "a whole number from 1 to 8192", _is_count
COUNT_OR_NONE = "a whole number from 0 to 8192", _is_count_or_none
COUNTS = "1 to 16 whole numbers from 1 to 8192", lambda value: _is_list(value, _is_count)
SCALES = "up to 16 numbers from 0.01 to 10", lambda value: _is_list(value, _is_scale, least=0)
FLAG = "true or false", lambda value: type(value) is bool
STRIDE = "4 or 8", lambda value: type(value) is int and value in (4, 8)
CONVENTION = "torchvision or caffe", lambda value: type(value) is str and value in ("torchvision", "caffe")

TRUNK = {"channels": COUNTS, "depths": COUNTS, "batch_norm": FLAG, "output_stride": STRIDE}
CLASSIFIER = TRUNK | {"classes": COUNT, "nodes": COUNT, "glore": FLAG, "local_unit": FLAG}
DEEPLAB = {"classes": COUNT, "convention": CONVENTION, "rates": COUNTS}
SIZES = {  # key of the network's kind: its kinds: what else their `arch` may hold
    "network": {"classifier": CLASSIFIER, "iam": CLASSIFIER},
    "backbone": {
        "vgg16": DEEPLAB | TRUNK | {"fc_channels": COUNT_OR_NONE},
        "resnet101": DEEPLAB | {"depths": COUNTS, "width": COUNT},
    },
    None: {None: TRUNK},  # of a trunk alone
}


def check(content, path):
    """Raises InputError, about the file `path`, unless `arch` and `pyramid` of a loaded file can be used or lack."""
    arch = content.get("arch", {})
    _require(isinstance(arch, dict), path, "arch", "a dictionary", arch)
    key = next((key for key in ("network", "backbone") if key in arch), None)
    kind = arch.get(key)
    kinds = SIZES[key]
    if key:
        _require(type(kind) is str and kind in kinds, path, f"arch.{key}", " or ".join(kinds), kind)
        _require("classes" in arch, path, "arch", "the number of classes in it", arch)
    for name, value in arch.items():
        if name != key:
            _require(name in kinds[kind], path, "arch", f"the sizes of a {kind or 'trunk'}", {name: value})
            expected, holds = kinds[kind][name]
            _require(holds(value), path, f"arch.{name}", expected, value)
    expected, holds = SCALES
    _require("pyramid" not in content or holds(content["pyramid"]), path, "pyramid", expected, content.get("pyramid"))


def _require(holds, path, what, expected, found):
    if not holds:
        raise InputError(f"{path}: expected as its {what} {expected}, found {' '.join(repr(found).split()):.60}")
