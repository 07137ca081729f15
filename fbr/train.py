"""Train the classification network so that background that comes with a class is not called object (FBR, TCSVT 2024).

As cls.train, with heads and losses that exist in training only. Writes <out>/weights.pth, a plain classifier, and
<out>/attention/<id>_<class>.png. A loss of weight 0 is left out, with its head. The defaults are the published code's
for image-level labels.
"""

from argparse import ArgumentParser, Namespace
from functools import partial

from cls.arguments import training_parser
from common.files.dataset import PARTS, DataSet, reads
from fbr.settings import Settings
from stages.arguments import add_settings, natural, settings_of
from stages.command import main


def parser() -> ArgumentParser:
    parser = training_parser(__doc__)
    add_settings(parser, Settings)
    parser.set_defaults(network="classifier")
    parser.add_argument(
        "--contrast-from", type=natural, default=1, help="0-based epoch in which these losses start; published: 0"
    )
    parser.add_argument(
        "--diagnose",
        action="store_true",
        help="log where hard pixels and prototypes lie, by the ground truth (and context masks) of the training images",
    )
    return parser


def mask_parts(args: Namespace) -> list[str]:
    """Parts of the data set that are read beside the images."""
    parts = ["saliency"] if args.labels == "saliency" else []
    if args.labels == "truth" or args.diagnose:
        parts.append("ground_truth")
    if args.diagnose and (args.data / PARTS["context"][0]).is_dir():
        parts.append("context")
    return parts


def run(args: Namespace) -> str:
    """Train, write weights and attention maps; returns a summary."""
    settings = settings_of(args, Settings)
    from cls import engine
    from cls.attention import AttentionAccumulator
    from cls.losses import classification_loss
    from common.files.preprocess import normalise
    from common.training.loop import LOG_EVERY, Training
    from fbr.dataset import RegionImages
    from fbr.diagnosis import gradient_ratio, shares_of_truth
    from fbr.model import build

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    side = args.input_size // args.output_stride
    images = RegionImages(dataset, items, args.input_size, args.seed, side, mask_parts(args))
    model, optimizer, device = engine.start(args, dataset.classes, partial(build, settings, args.seed))
    attention = AttentionAccumulator(items, len(dataset.classes), side).to(device)
    state = {"attention": attention}

    with Training(args, model, optimizer, images, device, epochs=args.epochs, state=state) as training:
        for iteration, batch in training:
            epoch = iteration // training.epoch_length
            engine.set_learning_rates(optimizer, args, iteration, training.epoch_length)
            with training.autocast():
                features, maps = training.model(normalise(batch["image"], "torchvision"))  # (B, K or C, h, w)
            maps = maps.float()
            if epoch > 0:  # the first epoch only warms up
                attention.accumulate(maps, batch["label"], batch["index"], last_epoch=epoch == args.epochs - 1)
            losses = {"classification": classification_loss(maps, batch["label"])}
            masks = {part: batch[part] for part in ("saliency", "ground_truth") if part in batch}
            warm_up = epoch < args.contrast_from
            losses |= model.fbr(features, maps, batch["label"], warm_up, images=batch["image"], **masks)
            watched = {}
            if iteration % LOG_EVERY == 0 and not warm_up:
                watched = gradient_ratio(features, losses)
                if args.diagnose:
                    truth, context = batch["ground_truth"], batch.get("context")
                    watched |= shares_of_truth(model.fbr.regions, truth, context, args.prototype_pixels)
            training.step(losses, watched)

    del model.fbr  # a plain classifier is left
    engine.save(args, model)
    written = attention.write(args.out / "attention")
    return f"{len(items)} images, {args.epochs} epochs, {written} attention maps"


def inputs(args: Namespace) -> dict:
    """The parts of the data set that the stage reads."""
    return reads("images", *mask_parts(args))(args)


if __name__ == "__main__":
    main(parser(), run, reads=inputs)
