"""Trains the classification network and accumulates its attention maps online (paper 3.1, OAA).

Writes <out>/weights.pth and <out>/attention/<id>_<class>.png, the targets of cls.train_iam.
"""

from cls.arguments import training_parser
from common.cli import main
from data.layout import DataSet


def parser():
    return training_parser(__doc__)


def run(args):
    from cls import engine
    from cls.attention import AttentionAccumulator
    from cls.dataset import TrainingImages
    from cls.losses import classification_loss

    dataset = DataSet(args.data)
    items = dataset.split(args.split, labelled=True)
    attention = AttentionAccumulator(items, len(dataset.classes), args.input_size // args.output_stride)

    def loss_of(maps, batch, epoch):
        if epoch > 0:  # the first epoch only warms up
            attention.accumulate(maps, batch["label"], batch["index"], last_epoch=epoch == args.epochs - 1)
        return classification_loss(maps, batch["label"])

    images = TrainingImages(dataset, items, args.input_size, args.seed)
    summary = engine.train(args, "classifier", images, loss_of, attention)
    return f"{summary}, {attention.write(args.out / 'attention')} attention maps"


if __name__ == "__main__":
    main(parser(), run)
