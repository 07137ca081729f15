"""The scalar that a training makes of a loss."""

from common.training.losses import means


def mean_of(loss):
    return means({"it": loss})["it"]
