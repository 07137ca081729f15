"""Arguments shared by the trainings of the classification stage: classifier, integral attention model, and FBR."""

import argparse
from pathlib import Path

from cls.architecture import NETWORKS, ClassifierArch
from common.training.arguments import (
    add_backbone_argument,
    add_device_arguments,
    add_output_stride_argument,
    add_save_arguments,
    add_seed_argument,
    add_vgg_arguments,
)
from stages.arguments import natural, non_negative_float, positive_float, positive_int, whole_number
from stages.command import stage_parser


def training_parser(doc: str) -> argparse.ArgumentParser:
    """Parser of a training, with the paper's values as defaults; `doc` is the command's docstring."""
    parser = stage_parser(doc)
    sizes = "vgg16, of the size below (paper 3.1), or timm:NAME, a network of timm (docs/backbones.md)"
    add_backbone_argument(parser, ["vgg16"], ClassifierArch.backbone, sizes)
    parser.add_argument(
        "--init", type=Path, help="its weights: of weights.fetch, of timm, of weights.pretrain_toy, or of a training"
    )
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
    parser.add_argument(
        "--decay-epochs",
        type=natural,
        nargs="*",
        default=[5, 10],
        help="0-based epochs at which the learning rate is divided by 10 (paper 4.1)",
    )
    parser.add_argument(
        "--input-size",
        type=whole_number(8, 8192),
        default=256,
        help="side of the square that images are resized to; maps have this side / --output-stride",
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
        default=ClassifierArch.glore,
        help="use the GloRe unit; --no-glore is the baseline of Table 3",
    )
    parser.add_argument(
        "--local-unit",
        action="store_true",
        help="replace GloRe by a unit with the same batch norm that relates no regions (a control, not in the paper)",
    )
    add_save_arguments(parser)
    add_vgg_arguments(parser)
    add_output_stride_argument(parser)
    add_seed_argument(parser)
    add_device_arguments(parser)
    return parser


def add_network_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --network, a name in cls/architecture.py."""
    parser.add_argument("--network", choices=list(NETWORKS), default=default, help="network to train")
