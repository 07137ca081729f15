"""Arguments of both trainings of the classification stage, the classifier's and the integral attention model's."""

import argparse
from pathlib import Path

from cls.architecture import NETWORKS, ClassifierArch
from common.training.arguments import (
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
    parser.add_argument(
        "--init",
        type=Path,
        help="weights of the trunk: ImageNet VGG16 (weights.fetch) or the toy data's (weights.pretrain_toy)",
    )
    parser.add_argument("--epochs", type=positive_int, default=14, help="paper 4.1; the published code has 15")
    parser.add_argument("--batch-size", type=positive_int, default=5, help="paper 4.1")
    parser.add_argument(
        "--lr",
        type=positive_float,
        default=1e-3,
        help="of the trunk's weights; x2 biases, x10 and x20 in the head (paper 4.1)",
    )
    parser.add_argument("--weight-decay", type=non_negative_float, default=5e-4, help="paper 4.1")
    parser.add_argument(
        "--decay-epochs",
        type=natural,
        nargs="*",
        default=[5, 10],
        help="0-based epochs from which lr is a tenth (paper 4.1)",
    )
    parser.add_argument(
        "--input-size",
        type=whole_number(8, 8192),
        default=256,
        help="images become squares of this side; maps of it by --output-stride",
    )
    parser.add_argument(
        "--nodes",
        type=positive_int,
        default=ClassifierArch.nodes,
        help="N, nodes of the GloRe unit (paper 3.1, Fig. 7)",
    )
    parser.add_argument(
        "--glore",
        action=argparse.BooleanOptionalAction,
        default=ClassifierArch.glore,
        help="--no-glore is Table 3's baseline",
    )
    parser.add_argument(
        "--local-unit",
        action="store_true",
        help="in GloRe's place a unit with the same batch norm that relates no regions: a control, not in the paper",
    )
    add_save_arguments(parser)
    add_vgg_arguments(parser)
    add_output_stride_argument(parser)
    add_seed_argument(parser)
    add_device_arguments(parser)
    return parser


def add_network_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """--network, by its name in cls/architecture.py."""
    parser.add_argument("--network", choices=list(NETWORKS), default=default, help="which network is trained")
