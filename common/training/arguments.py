"""Arguments that the commands with networks share: size of the backbone, device and precision, checkpoints."""

import argparse
from collections.abc import Iterable

from common.nets.architecture import ResNetArch, VGGArch, backbones, is_timm
from stages.arguments import checked, natural, positive_float, positive_int, random_seed
from stages.parallel import cores


def add_vgg_arguments(parser: argparse._ActionsContainer) -> None:
    """--channels, --depths, --batch-norm: the size of a VGG backbone. The defaults are VGG16."""
    parser.add_argument(
        "--channels", type=positive_int, nargs=5, default=list(VGGArch.channels), help="channels of VGG's five stages"
    )
    parser.add_argument(
        "--depths", type=positive_int, nargs=5, default=list(VGGArch.depths), help="convolutions of VGG's five stages"
    )
    parser.add_argument(
        "--batch-norm", action=argparse.BooleanOptionalAction, default=False, help="batch norm after each convolution"
    )


def add_resnet_arguments(parser: argparse.ArgumentParser, name: str = "resnet50", sizes: type = ResNetArch) -> None:
    """--blocks, --width: the size of a ResNet. The defaults are those of its description."""
    resnet = parser.add_argument_group(f"size of a {name}")
    resnet.add_argument(
        "--blocks", type=positive_int, nargs=4, default=list(sizes.blocks), help="blocks of its four stages"
    )
    resnet.add_argument("--width", type=positive_int, default=sizes.width, help="channels of ResNet's stem")


def add_size_arguments(
    parser: argparse.ArgumentParser, resnet: str = "resnet50", sizes: type = ResNetArch
) -> argparse._ArgumentGroup:
    """The sizes of a ResNet and of a VGG in a group each, and --output-stride; returns VGG's group."""
    add_resnet_arguments(parser, resnet, sizes)
    vgg = parser.add_argument_group("size of a vgg16")
    add_vgg_arguments(vgg)
    add_output_stride_argument(parser)
    return vgg


def add_backbone_argument(
    parser: argparse._ActionsContainer, names: Iterable[str], default: str | None, help: str
) -> None:
    """--backbone: one of `names`, or timm:NAME, a network of timm (common/nets/timm_backbone.py)."""
    names = [name for name in names if name != "timm"]
    parse = checked(str, lambda text: text in names or is_timm(text), backbones(*names))
    parser.add_argument("--backbone", type=parse, default=default, help=help)


def add_output_stride_argument(parser: argparse._ActionsContainer) -> None:
    """--output-stride of VGG or a network of timm; weights learned at one serve at the others, as ImageNet's do."""
    parser.add_argument(
        "--output-stride",
        type=int,
        choices=[4, 8, 16],
        default=VGGArch.output_stride,
        help="pixels of the image for each feature, of a vgg16 or a network of timm",
    )


def add_device_argument(parser: argparse._ActionsContainer) -> None:
    """--device: for every stage that can use a GPU."""
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, …; auto uses a GPU if there is one")


def add_device_arguments(parser: argparse._ActionsContainer, amp: bool | None = None) -> None:
    """--device, --amp, --workers: for every stage that runs a network.

    `amp` is the default: True, False, or None, which is True on hardware that is fast at it.
    """
    add_device_argument(parser)
    precision = "mixed precision with bfloat16; losses stay in float32"
    if amp is None:
        precision += " (default: if the hardware has it)"
    parser.add_argument("--amp", action=argparse.BooleanOptionalAction, default=amp, help=precision)
    rounded = "allow TF32, with 10 bits of mantissa, in float32 convolutions on a GPU"
    parser.add_argument("--tf32", action=argparse.BooleanOptionalAction, default=True, help=rounded)
    # an eighth of many cores is left to this process; on a single core another process would only cost time
    workers = min(16, cores() - cores() // 8) if cores() > 1 else 0
    parser.add_argument("--workers", type=natural, default=workers, help="processes that read and augment images")
    same = "use deterministic CUDA operators where PyTorch has them; slower (CPUs are always deterministic)"
    parser.add_argument("--deterministic", action="store_true", help=same)


def add_run_arguments(parser: argparse._ActionsContainer) -> None:
    """--seed and those of `add_device_arguments`: for every stage that trains a network."""
    parser.add_argument(
        "--seed", type=random_seed, default=0, help="random seed of initialisation, order and augmentation"
    )
    add_device_arguments(parser)


def add_save_arguments(parser: argparse._ActionsContainer) -> None:
    """--save-minutes, --save-every: how often a training writes a checkpoint from which it could resume."""
    parser.add_argument("--save-minutes", type=positive_float, default=10, help="minutes between checkpoints")
    parser.add_argument(
        "--save-every", type=positive_int, metavar="N", help="also write a checkpoint every N iterations"
    )
