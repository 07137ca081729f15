"""Train AMN with FBR's losses on its label-conditioned features (FBR, TCSVT 2024, setting I).

As cls.train_amn, with heads and losses that exist in training only. Writes <out>/weights.pth, a plain AMN of the last
epoch; cls.infer_amn makes maps with it. A loss of weight 0 is left out, with its head. The defaults are the published
code's, of which the contrasts have no gradient; here they have one.
"""

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING, Any

from cls.train_amn import amn_parser
from common.files.dataset import DataSet, reads
from fbr.settings import Settings
from stages.arguments import add_settings, settings_of
from stages.command import main
from stages.files import InputError

if TYPE_CHECKING:
    from cls.amn import AMN


def parser() -> ArgumentParser:
    parser = amn_parser(__doc__)
    add_settings(parser, Settings)
    parser.set_defaults(segmentation_weight=0)
    return parser


def build(settings: Settings, seed: int, **arch: Any) -> "AMN":
    """Build AMN from the fields of an AMNArch by name, holding FBR on its features as `fbr`."""
    from cls import amn
    from fbr.losses import FBR

    model = amn.build(**arch)
    model.fbr = FBR(model.label_encoding.out_features, settings, seed)
    return model


def run(args: Namespace) -> str:
    """Train and write the weights; returns a summary."""
    settings = settings_of(args, Settings)
    if settings.labels not in ("cam", "refined"):
        raise InputError(f"--labels {settings.labels}: expected cam or refined with AMN")
    from cls import amn_engine, engine
    from cls.losses import balanced_cross_entropy
    from common.files.preprocess import normalise
    from common.training.loop import Training

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    model, optimizer, device = amn_engine.start(args, dataset.classes, partial(build, settings, args.seed))
    crops = amn_engine.crops_of(args, dataset, items, model)
    vectors = amn_engine.label_vectors(items, len(dataset.classes)).to(device)  # (N, C)

    with Training(args, model, optimizer, crops, device, epochs=args.epochs) as training:
        for _, batch in training:
            labels = vectors[batch["index"]]  # (B, C)
            with training.autocast():
                features, logits = training.model(normalise(batch["image"], "torchvision", batch["rectangle"]), labels)
            losses = {"seeds": balanced_cross_entropy(logits.float(), batch["label"], args.smoothing)}
            losses |= model.fbr(features, logits, labels, images=batch["image"])
            training.step(losses)

    del model.fbr  # a plain AMN is left
    engine.save(args, model)
    return f"{len(items)} images, {args.epochs} epochs"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
