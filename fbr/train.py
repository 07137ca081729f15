"""Train the classification network so that background that comes with a class is not called object (FBR, TCSVT 2024).

As cls.train, with heads and losses that exist in training only. Writes <out>/weights.pth, a plain classifier, and
<out>/attention/<id>_<class>.png. A part whose weight is 0 is left out, with its head. The defaults are the published
code's for image-level labels.
"""

from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from functools import partial
from typing import Any

from cls.arguments import training_parser
from common.files.dataset import PARTS, DataSet, reads
from stages.arguments import fraction, natural, non_negative_float, positive_float, positive_int
from stages.command import main
from stages.files import InputError

WEIGHTS = {  # of the losses
    "nroi": (0.05, "hard pixels against the bank of background (Eq. 7)"),
    "intra": (0.1, "hard pixels against pixels of other classes (Eq. 9)"),
    "similarity": (0.1, "cosine of both projections; needs --heads two"),
    "segmentation": (0.1, "background segmentation (Eq. 6)"),
}


def parser() -> ArgumentParser:
    parser = training_parser(__doc__)
    parser.set_defaults(network="classifier")  # the one that has these heads
    for name, (weight, meaning) in WEIGHTS.items():
        parser.add_argument(f"--{name}-weight", type=non_negative_float, default=weight, help=f"of the loss: {meaning}")
    parser.add_argument(
        "--heads",
        choices=["two", "shared", "none"],
        default="two",
        help="projections of the features: one for objects and one for background (published), one for both, none",
    )
    parser.add_argument("--embedding", type=positive_int, default=128, help="numbers of a projection")
    parser.add_argument("--projection-relu", action=BooleanOptionalAction, default=True, help="rectify projections")
    parser.add_argument(
        "--labels",
        choices=["cam", "refined", "saliency", "truth"],
        default="cam",
        help="pseudo labels of pixels: the class maps (published), these refined by the image's colours (setting I), "
        "these cleaned by saliency (setting I+S), or the ground truth (a bound, for measuring alone)",
    )
    parser.add_argument(
        "--background", type=fraction, default=0.1, help="share of a map's maximum up to which a pixel is background"
    )
    parser.add_argument(
        "--band",
        type=fraction,
        nargs=2,
        metavar=("LOW", "HIGH"),
        default=[0.3, 0.7],
        help="--labels refined: shares of the maximum below which a pixel is background, and above which object",
    )
    parser.add_argument("--refine-sigma", type=positive_float, default=0.03, help="--labels refined: of RGB in 0..1")
    parser.add_argument("--refine-steps", type=positive_int, default=10, help="--labels refined: how often to average")
    parser.add_argument("--centres", type=positive_int, default=8, help="NROIs of an image: centres of its background")
    parser.add_argument("--bank-size", type=positive_int, default=100000, help="NROIs kept")
    parser.add_argument("--negatives", type=positive_int, default=256, help="of each query")
    parser.add_argument("--temperature", type=positive_float, default=0.5)
    parser.add_argument("--queries", type=positive_int, default=1024, help="most hard pixels of a batch")
    parser.add_argument("--hard-quantile", type=fraction, default=0.4, help="of activation; pixels above it are sure")
    parser.add_argument("--entropy-quantile", type=fraction, default=0.25, help="pixels up to it are not hard")
    parser.add_argument("--prototype-pixels", type=positive_int, default=32, help="most active pixels of a class")
    parser.add_argument(
        "--contrast-from", type=natural, default=1, help="0-based epoch from which these losses count; published: 0"
    )
    parser.add_argument("--cut-gradient", action="store_true", help="control: the contrasts have no gradient")
    parser.add_argument("--random-nrois", action="store_true", help="control: random pixels in place of centres")
    parser.add_argument(
        "--diagnose",
        action="store_true",
        help="log where hard pixels and prototypes lie, by the ground truth (and context) of the training images",
    )
    return parser


def extra_parts(args: Namespace) -> dict[str, str]:
    """Masks that the batches need beside images, {part of the data set: name in a batch}."""
    parts = {"saliency": "saliency"} if args.labels == "saliency" else {}
    if args.labels == "truth" or args.diagnose:
        parts["ground_truth"] = "truth"
    if args.diagnose and (args.data / PARTS["context"][0]).is_dir():
        parts["context"] = "context"
    return parts


def heads_of(args: Namespace) -> dict[str, Any]:
    """Arguments of FBRClassifier beyond the description."""
    contrasts = bool(args.nroi_weight or args.intra_weight)
    similarity, segmentation = bool(args.similarity_weight), bool(args.segmentation_weight)
    return {
        "projections": args.heads,
        "embedding": args.embedding,
        "relu": args.projection_relu,
        "foreground": contrasts or similarity,
        "background": bool(args.nroi_weight) or similarity or segmentation,
        "segmentation": segmentation,
    }


def check(args: Namespace) -> None:
    """Raise InputError on arguments that contradict each other."""
    if args.similarity_weight and args.heads != "two":
        raise InputError(
            f"--similarity-weight {args.similarity_weight:g}: expected 0 without two projections (--heads {args.heads})"
        )
    if args.band[0] > args.band[1]:
        raise InputError(f"--band: expected two ascending numbers, found {args.band[0]:g} {args.band[1]:g}")


def run(args: Namespace) -> str:
    """Train, write weights and attention maps; returns a summary."""
    check(args)
    import torch

    from cls import engine
    from cls.attention import AttentionAccumulator
    from cls.dataset import RegionImages
    from cls.losses import classification_loss
    from cls.model import build_fbr
    from common.files.preprocess import normalise
    from common.training.loop import LOG_EVERY, Training
    from fbr import step as fbr
    from fbr.nroi import NROIBank
    from stages import distributed

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    side = args.input_size // args.output_stride
    images = RegionImages(dataset, items, args.input_size, args.seed, side, tuple(extra_parts(args).values()))
    build = partial(build_fbr, heads_of(args))
    model, optimizer, device = engine.start(args, dataset.classes, build)
    attention = AttentionAccumulator(items, len(dataset.classes), side).to(device)
    bank = NROIBank(model.width, args.bank_size).to(device)
    state = {"attention": attention, "bank": bank}

    with Training(args, model, optimizer, images, device, epochs=args.epochs, state=state) as training:
        for iteration, batch in training:
            epoch = iteration // training.epoch_length
            engine.set_learning_rates(optimizer, args, epoch)
            count = int(distributed.total(torch.tensor(len(batch["label"]))))  # images of all processes; on the CPU
            draws = fbr.Draws(args.seed, iteration, count, device)
            kept = draws.dropout_factors((count, model.width, side, side)) if args.segmentation_weight else None
            with training.autocast():
                output = training.model(normalise(batch["image"], "torchvision"), kept)
            maps = output.maps.float()
            if epoch > 0:  # the first epoch only warms up
                attention.accumulate(maps, batch["label"], batch["index"], last_epoch=epoch == args.epochs - 1)
            losses = {"classification": classification_loss(maps, batch["label"]) + model.touch_heads()}
            watched = {}
            if epoch >= args.contrast_from:
                regions = fbr.find_regions(args, maps, batch, count)
                losses |= fbr.losses_of(args, output, maps, batch, regions, bank, draws)
                if iteration % LOG_EVERY == 0:
                    watched = fbr.gradient_ratio(output, losses)
                    if args.diagnose:
                        watched |= fbr.shares_of_truth(args, regions, batch)
            training.step(losses, watched)

    engine.save(args, model)
    written = attention.write(args.out / "attention")
    return f"{len(items)} images, {args.epochs} epochs, {written} attention maps"


def inputs(args: Namespace) -> dict:
    """What the stage reads of the data set."""
    return reads("images", *extra_parts(args))(args)


if __name__ == "__main__":
    main(parser(), run, reads=inputs)
