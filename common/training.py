"""What every training loop needs around its few lines: the order of the images, a progress bar, a log, a check."""

import math
import time
from contextlib import nullcontext
from signal import SIGTERM

import numpy as np
import torch
from torch.utils.data import Sampler

from common import checkpoint, distributed, interruption
from common.device import Arriving
from common.files import InputError
from common.progress import progress_bar
from common.stage import TRAINING_STATE

LOG_EVERY = 10  # iterations: TensorBoard's writer takes its time


class ShuffledBatches(Sampler):
    """Batches of (position, index) from `start` to `batches`: each epoch draws a new permutation of `length` images.

    `position` counts the samples drawn since the first epoch and seeds their augmentation. Both follow from the seed and
    the batch's number alone, so a run can go on anywhere, with any number of workers, and sees what it would have seen.
    With `whole_epochs` an epoch's last batch is cut short; without, it is filled from the next epoch. Of each batch, a
    process gets its share, which may be empty.
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
            yield distributed.shard([self._sample(position, orders) for position in range(first, last)])

    def _sample(self, position, orders):
        epoch, place = divmod(position, self.length)
        if epoch not in orders:
            orders.pop(epoch - 2, None)
            orders[epoch] = np.random.default_rng([self.seed, epoch]).permutation(self.length)
        return position, int(orders[epoch][place])


def iterate(args, model, optimizer, loader, step, total, start=0, extra=dict):
    """The loop of every training: runs `step(iteration, batch)` -> loss for each batch, and optimises.

    Of several processes, each has its share of the batch and of the loss. Shows loss, learning rate, the share of the
    time spent waiting for data, and the time left; logs them to TensorBoard under <out>/tensorboard. At the intervals of
    `args`, at the end and when it is interrupted it writes <out>/training.pth, from which the same command goes on, with
    `extra()` in it. Raises InputError if a loss is not finite, and Interrupted.

    What a step reports is looked at during the next one, so that a GPU never waits for this process; before anything
    is saved, at once.
    """
    model.train()
    torch.backends.cudnn.benchmark = not args.deterministic  # sizes are the same at every step
    bar = progress_bar(args.out.name, total, start, unit="it")
    with interruption.deferred(), _log(args.out, start) as log, bar:
        last, report, waited = None, None, 0.0
        begun = end = saved = time.perf_counter()
        for iteration, batch in enumerate(loader, start):
            waited += time.perf_counter() - end
            if batch is None:  # an empty share, perhaps the first since the training went on
                last = last or loader.collate_fn([loader.dataset[0, 0]])
                batch = {name: value[:0] for name, value in last.items()}
            last = batch
            optimizer.zero_grad(set_to_none=True)
            loss = step(iteration, batch)
            (loss * distributed.WORLD_SIZE).backward()  # gradients are averaged over the processes
            optimizer.step()
            due = time.perf_counter() - saved > 60 * args.save_minutes
            before, report = report, Report(iteration, batch, loss, interruption.requested(), due)
            stop, due = before.read(args.out, loader.dataset) if before else (None, False)
            done = iteration + 1
            save = stop or due or done == total or args.save_every and done % args.save_every == 0
            if save:
                before, report = report, None
                stop = before.read(args.out, loader.dataset)[0] or stop
                checkpoint.save_training(args.out / TRAINING_STATE, done, model, optimizer, extra())
                saved = time.perf_counter()
            lr = optimizer.param_groups[0]["lr"]
            waiting = waited / (time.perf_counter() - begun)  # the share of the time in which the loader was behind
            if before:
                bar.set_postfix(loss=f"{before.loss:.4f}", lr=f"{lr:.2e}", waiting=f"{waiting:.0%}", refresh=False)
                if log and (save or before.iteration % LOG_EVERY == 0):
                    log.add_scalar("loss", before.loss, before.iteration)
                    log.add_scalar("lr", lr, iteration)
                    log.add_scalar("waiting for data", waiting, iteration)
            bar.update()
            if stop:
                distributed.barrier()  # the first that ends makes torchrun end the others, which may still be saving
                raise interruption.Interrupted(stop, f" after {done} of {total} iterations")
            end = time.perf_counter()


class Report:
    """What a step tells of itself, on its way from the device: the loss, whether to stop, whether to save.

    Of several processes, the loss is that of the whole batch, and one that wants to stop or save is enough.
    """

    def __init__(self, iteration, batch, loss, signal, due):
        self.iteration, self.batch, self.signal = iteration, batch, signal
        own = loss.detach().float()
        flags = (torch.full_like(own, flag) for flag in (signal is not None, due))  # filled there: a copy would wait
        self.arriving = Arriving(distributed.total(torch.stack([own, *flags])))

    def read(self, out, images):
        """(the signal to stop or None, whether to save); sets `loss`. Raises InputError if the loss is not finite."""
        self.loss, stop, due = self.arriving.get().tolist()
        if not math.isfinite(self.loss):
            own = [images.items[index].id for index in self.batch["index"].tolist()]
            ids = " ".join(id for ids in distributed.gather(own) for id in ids)
            advice = "a lower --lr or --no-amp may help; look at these images and their labels"
            raise InputError(f"{out}: the loss is {self.loss} at iteration {self.iteration}, images {ids}: {advice}")
        return (self.signal or SIGTERM) if stop else None, due > 0


def _log(out, start):
    """A TensorBoard writer, or, in all processes but the first, None."""
    if not distributed.IS_FIRST:
        return nullcontext()
    from torch.utils.tensorboard import SummaryWriter  # slow to import

    return SummaryWriter(out / "tensorboard", purge_step=start)


def sample_seed(seed, position):
    """One number that seeds the augmentation of one sample."""
    return int(np.random.SeedSequence([seed, position]).generate_state(1, np.uint64)[0])


def to_device(batch, device):
    """Moves the tensors of a batch (a dictionary)."""
    return {name: value.to(device, non_blocking=True) for name, value in batch.items()}
