"""Train AMN on the seeds of a classifier's CAMs (Lee et al., "Threshold Matters in WSSS", CVPR 2022; FBR's setting I).

A network that is told the image's labels learns to segment the seeds, which irn.seed made. Writes <out>/weights.pth,
of the last epoch; cls.infer_amn makes maps with it.
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from cls.amn_architecture import NETWORKS, AMNArch
from common.files.dataset import DataSet, reads
from common.training.arguments import add_backbone_argument, add_run_arguments, add_save_arguments, add_size_arguments
from stages.arguments import fraction, non_negative_float, positive_float, positive_int, scale, whole_number
from stages.command import main, stage_parser


def parser() -> ArgumentParser:
    return amn_parser(__doc__)


def amn_parser(doc: str) -> ArgumentParser:
    """Parser of a training of AMN, with the published values as defaults; `doc` is the command's docstring."""
    parser = stage_parser(doc)
    parser.add_argument("--seeds", type=Path, required=True, help="folder of seeds <id>.png (irn.seed)")
    networks = "resnet50 (published), vgg16, or timm:NAME, a network of timm (docs/backbones.md)"
    add_backbone_argument(parser, NETWORKS, "resnet50", networks)
    parser.add_argument(
        "--init",
        type=Path,
        help="weights of the backbone: torchvision's ResNet-50 (published) or VGG16 (weights.fetch), timm's, the toy "
        "data's, or a classifier's (cls.train) (default: random weights)",
    )
    parser.add_argument("--epochs", type=positive_int, default=5, help="number of epochs")
    parser.add_argument("--batch-size", type=positive_int, default=16, help="images per step, over all processes")
    parser.add_argument(
        "--lr", type=positive_float, default=5e-6, help="Adam's, for the backbone, x20 for all new layers; no decay"
    )
    parser.add_argument("--weight-decay", type=non_negative_float, default=1e-4, help="L2 penalty")
    parser.add_argument(
        "--smoothing",
        type=fraction,
        default=0.4,
        help="share of a pixel's target that the other classes get; its own has the rest",
    )
    parser.add_argument("--crop-size", type=whole_number(8, 8192), default=512, help="side of training crops")
    parser.add_argument(
        "--scales", type=scale, nargs=2, metavar=("MIN", "MAX"), default=[0.5, 1.5], help="range of the random resizing"
    )
    rates = list(AMNArch.rates)
    parser.add_argument("--rates", type=positive_int, nargs="+", default=rates, help="dilations of the last layer")
    add_save_arguments(parser)
    add_size_arguments(parser)
    add_run_arguments(parser)
    return parser


def run(args: Namespace) -> str:
    """Train and write the weights; returns a summary."""
    from cls import amn_engine, engine
    from cls.losses import balanced_cross_entropy
    from common.files.preprocess import normalise
    from common.training.loop import Training

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    model, optimizer, device = amn_engine.start(args, dataset.classes)
    crops = amn_engine.crops_of(args, dataset, items, model)
    vectors = amn_engine.label_vectors(items, len(dataset.classes)).to(device)  # (N, C)

    with Training(args, model, optimizer, crops, device, epochs=args.epochs) as training:
        for _, batch in training:
            labels = vectors[batch["index"]]  # (B, C)
            with training.autocast():
                _, logits = training.model(normalise(batch["image"], "torchvision", batch["rectangle"]), labels)
            training.step({"seeds": balanced_cross_entropy(logits.float(), batch["label"], args.smoothing)})

    engine.save(args, model)
    return f"{len(items)} images, {args.epochs} epochs"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
