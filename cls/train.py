"""Train the classification network and accumulate its attention maps online (paper 3.1, OAA).

Writes <out>/weights.pth and <out>/attention/<id>_<class>.png, the targets of cls.train_iam.
"""

from argparse import ArgumentParser, Namespace

from cls.arguments import add_network_argument, training_parser
from common.files.dataset import DataSet, reads
from stages.command import main


def parser() -> ArgumentParser:
    parser = training_parser(__doc__)
    add_network_argument(parser, "classifier")
    return parser


def run(args: Namespace) -> str:
    """Train, write weights and attention maps; returns a summary."""
    from cls import engine
    from cls.attention import AttentionAccumulator
    from cls.dataset import TrainingImages
    from cls.losses import classification_loss
    from common.files.preprocess import normalise
    from common.training.loop import Training

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    images = TrainingImages(dataset, items, args.input_size, args.seed)
    model, optimizer, device = engine.start(args, dataset.classes)
    side = args.input_size // model.arch.output_stride
    attention = AttentionAccumulator(items, len(dataset.classes), side).to(device)
    state = {"attention": attention}

    with Training(args, model, optimizer, images, device, epochs=args.epochs, state=state) as training:
        for iteration, batch in training:
            epoch = iteration // training.epoch_length
            engine.set_learning_rates(optimizer, args, epoch)
            with training.autocast():
                maps = training.model(normalise(batch["image"], "torchvision"))  # (B, C, h, w)
            maps = maps.float()
            if epoch > 0:  # the first epoch only warms up
                attention.accumulate(maps, batch["label"], batch["index"], last_epoch=epoch == args.epochs - 1)
            training.step({"classification": classification_loss(maps, batch["label"])})

    engine.save(args, model)
    written = attention.write(args.out / "attention")
    return f"{len(items)} images, {args.epochs} epochs, {written} attention maps"


if __name__ == "__main__":
    main(parser(), run, reads=reads("images"))
