"""Keep of the pseudo labels what first-round predictions confirm, for the second round: not the paper's (docs/real.md).

Reads predictions of the training images and pseudo labels, writes <out>/<id>.png: the label where both are equal, else
255. It takes the place of non-salient region masking where labels are better than the predictions learned from them.
"""

from argparse import ArgumentParser, Namespace

import numpy as np

from common.files.dataset import DataSet, Item
from common.files.label_rules import label_parser, main, runner
from pseudo.background import ignore_if_almost_empty


def confirmed(prediction: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The label of an image where the prediction agrees, elsewhere 255: all uint8 (H, W)."""
    return ignore_if_almost_empty(np.where(prediction == label, label, np.uint8(255)))


def parser() -> ArgumentParser:
    return label_parser(
        __doc__, pred="folder of first-round predictions (seg.predict)", label="folder of pseudo labels (pseudo.pom)"
    )


def make_label(args: Namespace, dataset: DataSet, item: Item) -> np.ndarray:
    """What the prediction confirms of the pseudo label of an image."""
    return confirmed(*(dataset.checked_label(folder / f"{item.id}.png", item.id) for folder in (args.pred, args.label)))


run = runner(make_label)

if __name__ == "__main__":
    main(parser(), run, reads=("images",))
