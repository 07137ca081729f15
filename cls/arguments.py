"""Arguments shared by the trainings of the classification stage: classifier, integral attention model, and FBR."""

import argparse
from pathlib import Path

from cls.architecture import NETWORKS, ClassifierArch
from common.training.arguments import (
    add_backbone_argument,
    add_output_stride_argument,
    add_run_arguments,
    add_save_arguments,
    add_vgg_arguments,
)
from stages.arguments import natural, non_negative_float, positive_float, positive_int, whole_number
from stages.command import stage_parser


def training_parser(doc: str, resnet: bool = False) -> argparse.ArgumentParser:
    """Parser of a training, with the paper's values as defaults; `doc` is the command's docstring.

    With `resnet`, irn's classifier can be trained, too, for which --input-size and --glore have other defaults: they
    are None here.
    """
    parser = stage_parser(doc)
    names = ["vgg16", "resnet50"] if resnet else ["vgg16"]
    sizes = f"vgg16, of the size below (paper 3.1), {'resnet50, the classifier of irn, ' if resnet else ''}"
    sizes += "or timm:NAME, a network of timm (docs/backbones.md)"
    add_backbone_argument(parser, names, ClassifierArch.backbone, sizes)
    parser.add_argument(
        "--init",
        type=Path,
        help="its weights: of weights.fetch, of timm, of weights.pretrain_toy, or of a training (default: random ones)",
    )
    add_optimiser_arguments(parser)
    parser.add_argument(
        "--input-size",
        type=whole_number(8, 8192),
        default=None if resnet else 256,
        help="side of the square that images are resized to; maps have this side / --output-stride"
        + (" (default: 256, with resnet50 none)" if resnet else ""),
    )
    parser.add_argument(
        "--nodes",
        type=positive_int,
        default=ClassifierArch.nodes,
        help="N, number of nodes of the GloRe unit (paper 3.1, Fig. 7)",
    )
    parser.add_argument(
        "--glore",
        action=argparse.BooleanOptionalAction,
        default=None if resnet else ClassifierArch.glore,
        help="use the GloRe unit; --no-glore is the baseline of Table 3"
        + (" (default: yes, with resnet50 no)" if resnet else ""),
    )
    parser.add_argument(
        "--local-unit",
        action="store_true",
        help="replace GloRe by a unit with the same batch norm that relates no regions (a control, not in the paper)",
    )
    add_save_arguments(parser)
    add_vgg_arguments(parser)
    add_output_stride_argument(parser)
    add_run_arguments(parser)
    return parser


def add_optimiser_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the schedule of a training and the arguments of its SGD."""
    parser.add_argument(
        "--epochs", type=positive_int, default=14, help="number of epochs (paper 4.1; published code: 15)"
    )
    parser.add_argument(
        "--batch-size", type=positive_int, default=5, help="images per step, over all processes (paper 4.1)"
    )
    parser.add_argument(
        "--lr",
        type=positive_float,
        default=1e-3,
        help="learning rate of the backbone's weights; biases x2, head x10 and its biases x20 (paper 4.1)",
    )
    parser.add_argument("--weight-decay", type=non_negative_float, default=5e-4, help="L2 penalty (paper 4.1)")
    parser.add_argument("--momentum", type=non_negative_float, default=0.9, help="of SGD (paper 4.1); irn: 1e-4")
    parser.add_argument(
        "--nesterov", action=argparse.BooleanOptionalAction, default=True, help="Nesterov's momentum (published code)"
    )
    parser.add_argument(
        "--schedule",
        choices=["steps", "poly"],
        default="steps",
        help="learning rate: a tenth from each of --decay-epochs on (paper 4.1), or polynomial at every step (irn)",
    )
    parser.add_argument(
        "--decay-epochs",
        type=natural,
        nargs="*",
        default=[5, 10],
        help="0-based epochs at which the learning rate is divided by 10 (paper 4.1)",
    )


def add_network_argument(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Add --network, a name in cls/architecture.py; None: by the backbone."""
    by_backbone = "" if default else " (default: irn_cam with --backbone resnet50, else classifier)"
    parser.add_argument("--network", choices=list(NETWORKS), default=default, help=f"network to train{by_backbone}")
