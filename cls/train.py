"""Train the classification network and accumulate its attention maps online (paper 3.1, OAA).

Writes <out>/weights.pth and <out>/attention/<id>_<class>.png, the targets of cls.train_iam. With --backbone resnet50
the network is that of irn (CVPR 2019), trained on random crops as there; maps of crops are not accumulated.
"""

from argparse import ArgumentParser, Namespace

from cls.arguments import add_network_argument, training_parser
from common.files.dataset import DataSet, reads
from common.training.arguments import add_resnet_arguments
from stages.arguments import positive_int, whole_number
from stages.command import main
from stages.files import InputError


def parser() -> ArgumentParser:
    parser = training_parser(__doc__, resnet=True)
    add_network_argument(parser, None)
    parser.add_argument(
        "--crop-size",
        type=whole_number(16, 8192),
        help="side of random crops, in place of squares of --input-size (default: 512 with resnet50, unless "
        "--input-size is given)",
    )
    parser.add_argument(
        "--long-side",
        type=positive_int,
        nargs=2,
        metavar=("MIN", "MAX"),
        default=[320, 640],
        help="range of the longer side of the images from which crops are taken",
    )
    add_resnet_arguments(parser)
    return parser


def resolve(args: Namespace, recorded: dict | None = None) -> dict:
    """Defaults that follow from --backbone: irn's classifier has no GloRe and is trained on crops, unless asked.

    Raises InputError if --long-side is no range.
    """
    irn = args.backbone == "resnet50"
    if args.long_side[0] > args.long_side[1]:
        raise InputError("--long-side: expected two ascending numbers, found {} {}".format(*args.long_side))
    crop_size = args.crop_size or (512 if irn and not args.input_size else None)
    return {
        "network": args.network or ("irn_cam" if irn else "classifier"),
        "glore": not irn if args.glore is None else args.glore,
        "crop_size": crop_size,
        "input_size": None if crop_size else args.input_size or 256,
    }


def run(args: Namespace) -> str:
    """Train, write weights and attention maps; returns a summary."""
    vars(args).update(resolve(args))  # for callers other than `main`
    from cls import engine
    from cls.attention import AttentionAccumulator
    from cls.dataset import ClassificationCrops, TrainingImages
    from cls.losses import classification_loss
    from common.files.preprocess import normalise
    from common.training.loop import Training

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    model, optimizer, device = engine.start(args, dataset.classes)
    if args.crop_size:
        images = ClassificationCrops(dataset, items, args.crop_size, args.long_side, args.seed)
        state = {}
    else:
        images = TrainingImages(dataset, items, args.input_size, args.seed)
        side = args.input_size // model.arch.output_stride
        state = {"attention": AttentionAccumulator(items, len(dataset.classes), side).to(device)}
    attention = state.get("attention")

    with Training(args, model, optimizer, images, device, epochs=args.epochs, state=state) as training:
        for iteration, batch in training:
            epoch = iteration // training.epoch_length
            engine.set_learning_rates(optimizer, args, iteration, training.epoch_length)
            with training.autocast():
                maps = training.model(normalise(batch["image"], "torchvision", batch.get("rectangle")))  # (B, C, h, w)
            maps = maps.float()
            if attention and epoch > 0:  # the first epoch only warms up
                attention.accumulate(maps, batch["label"], batch["index"], last_epoch=epoch == args.epochs - 1)
            training.step({"classification": classification_loss(maps, batch["label"])})

    engine.save(args, model)
    summary = f"{len(items)} images, {args.epochs} epochs"
    return f"{summary}, {attention.write(args.out / 'attention')} attention maps" if attention else summary


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"), resolve=resolve)
