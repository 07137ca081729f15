"""What every training loop needs around its few lines: the order of the images, a progress bar, a log, a check."""

import math

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from common import checkpoint
from common.files import InputError
from common.progress import progress_bar
from common.stage import TRAINING_STATE


class ShuffledBatches(Sampler):
    """Batches of (position, index) from `start` to `batches`: each epoch draws a new permutation of `length` images.

    `position` counts the samples drawn since the first epoch and seeds their augmentation. Both follow from the seed and
    the batch's number alone, so a run can go on anywhere, with any number of workers, and sees what it would have seen.
    With `whole_epochs` an epoch's last batch is cut short; without, it is filled from the next epoch.
    """

    def __init__(self, length, batch_size, batches, seed, start=0, whole_epochs=False):
        self.length, self.batch_size, self.batches = length, batch_size, batches
        self.seed, self.start, self.whole_epochs = seed, start, whole_epochs

    def __len__(self):
        return self.batches - self.start

    def __iter__(self):
        orders = {}
        for batch in range(self.start, self.batches):
            if self.whole_epochs:
                epoch, part = divmod(batch, math.ceil(self.length / self.batch_size))
                first = epoch * self.length + part * self.batch_size
                last = min(first + self.batch_size, (epoch + 1) * self.length)
            else:
                first, last = batch * self.batch_size, (batch + 1) * self.batch_size
            yield [self._sample(position, orders) for position in range(first, last)]

    def _sample(self, position, orders):
        epoch, place = divmod(position, self.length)
        if epoch not in orders:
            orders.pop(epoch - 2, None)
            orders[epoch] = np.random.default_rng([self.seed, epoch]).permutation(self.length)
        return position, int(orders[epoch][place])


def loader(dataset, batches, workers, device):
    """A DataLoader over ready-made batches; its workers live as long as it does.

    Its generator is its own, so that starting it does not move the random state that a checkpoint has restored.
    """
    pinned = device.type == "cuda"
    return DataLoader(
        dataset, batch_sampler=batches, num_workers=workers, pin_memory=pinned, generator=torch.Generator()
    )


def iterate(args, model, optimizer, batches, step, total, start=0, extra=dict):
    """The loop of every training: runs `step(iteration, batch)` -> loss for each batch, and optimises.

    Shows loss, learning rate and time left; logs them to TensorBoard under <out>/tensorboard. Every `args.save_every`
    iterations and at the end it writes <out>/training.pth, from which the same command goes on, with `extra()` in it.
    Raises InputError if a loss is not finite.
    """
    from torch.utils.tensorboard import SummaryWriter  # slow to import

    model.train()
    with (
        SummaryWriter(args.out / "tensorboard", purge_step=start) as log,
        progress_bar(args.out.name, total, start, unit="it") as bar,
    ):
        for iteration, batch in enumerate(batches, start):
            loss = step(iteration, batch)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            value, lr = loss.item(), optimizer.param_groups[0]["lr"]
            if not math.isfinite(value):
                raise InputError(f"{args.out}: the loss is {value} at iteration {iteration}; a lower --lr may help")
            optimizer.step()
            bar.set_postfix(loss=f"{value:.4f}", lr=f"{lr:.2e}", refresh=False)
            bar.update()
            log.add_scalar("loss", value, iteration)
            log.add_scalar("lr", lr, iteration)
            if (iteration + 1) % args.save_every == 0 or iteration + 1 == total:
                checkpoint.save_training(args.out / TRAINING_STATE, iteration + 1, model, optimizer, extra())


def sample_seed(seed, position):
    """One number that seeds the augmentation of one sample."""
    return int(np.random.SeedSequence([seed, position]).generate_state(1, np.uint64)[0])


def to_device(batch, device):
    """Moves the tensors of a batch (a dictionary); images become channels-last."""
    moved = {}
    for name, value in batch.items():
        if isinstance(value, torch.Tensor):
            value = value.to(device, non_blocking=True)
            if value.dim() == 4:
                value = value.contiguous(memory_format=torch.channels_last)
        moved[name] = value
    return moved
