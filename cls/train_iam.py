"""Train the integral attention model on the attention that cls.train accumulated (paper 3.1; OAA, ICCV 2019).

Writes <out>/weights.pth; cls.infer makes the OA-CAMs with it.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from cls.arguments import add_network_argument, training_parser
from common.files.dataset import DataSet, reads
from common.files.maps import require_maps
from stages.command import main


def parser() -> ArgumentParser:
    parser = training_parser(__doc__)
    add_network_argument(parser, "iam")
    parser.add_argument(
        "--attention",
        type=Path,
        required=True,
        help="folder of accumulated attention maps, <cls.train's --out>/attention",
    )
    return parser


def run(args: Namespace) -> str:
    """Train and write the weights; returns a summary."""
    from cls import engine
    from cls.dataset import AttentionTargets
    from cls.losses import integral_attention_loss
    from common.files.preprocess import normalise
    from common.training.loop import Training

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    require_maps(args.attention, items)
    model, optimizer, device = engine.start(args, dataset.classes)
    side = args.input_size // model.arch.output_stride
    images = AttentionTargets(dataset, items, args.input_size, args.seed, args.attention, side)

    with Training(args, model, optimizer, images, device, epochs=args.epochs) as training:
        for iteration, batch in training:
            engine.set_learning_rates(optimizer, args, iteration, training.epoch_length)
            with training.autocast():
                maps = training.model(normalise(batch["image"], "torchvision"))  # (B, C, h, w)
            training.step({"attention": integral_attention_loss(maps.float(), batch["target"] / 255)})

    engine.save(args, model)
    return f"{len(items)} images, {args.epochs} epochs"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
