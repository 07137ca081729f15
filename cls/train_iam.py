"""Trains the integral attention model on the attention that cls.train accumulated (paper 3.1; OAA, ICCV 2019).

Writes <out>/weights.pth; cls.infer makes the OA-CAMs with it.
"""

from pathlib import Path

from cls.arguments import training_parser
from common.cli import main
from common.maps import require_maps
from data.layout import DataSet


def parser():
    parser = training_parser(__doc__)
    parser.add_argument("--attention", type=Path, required=True, help="accumulated maps, <cls.train's out>/attention")
    return parser


def run(args):
    from cls import engine
    from cls.dataset import AttentionTargets
    from cls.losses import integral_attention_loss

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    require_maps(args.attention, items)
    side = args.input_size // args.output_stride
    images = AttentionTargets(dataset, items, args.input_size, args.seed, args.attention, side)

    def loss_of(maps, batch, epoch):
        return integral_attention_loss(maps, batch["target"] / 255)

    return engine.train(args, "iam", images, loss_of)


if __name__ == "__main__":
    main(parser(), run)
