"""What every training loop needs around its few lines: the order of the images, a progress bar, a log, a check."""

import math
import time
from contextlib import nullcontext
from signal import SIGTERM

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler, default_collate

from common import checkpoint, distributed, interruption
from common.files import InputError
from common.progress import progress_bar
from common.stage import TRAINING_STATE


class ShuffledBatches(Sampler):
    """Batches of (position, index) from `start` to `batches`: each epoch draws a new permutation of `length` images.

    `position` counts the samples drawn since the first epoch and seeds their augmentation. Both follow from the seed and
    the batch's number alone, so a run can go on anywhere, with any number of workers, and sees what it would have seen.
    With `whole_epochs` an epoch's last batch is cut short; without, it is filled from the next epoch. Of each batch, a
    process gets its share, which may be empty at the end of an epoch. Raises InputError if all shares would be.
    """

    def __init__(self, length, batch_size, batches, seed, start=0, whole_epochs=False):
        self.length, self.batch_size, self.batches = length, batch_size, batches
        self.seed, self.start, self.whole_epochs = seed, start, whole_epochs
        if batch_size < distributed.WORLD_SIZE:
            raise InputError(f"--batch-size {batch_size}: expected one image or more for each process")

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


def loader(dataset, batches, workers, device):
    """A DataLoader over ready-made batches, None for an empty one; its workers live as long as it does.

    Its generator is its own, so that starting it does not move the random state that a checkpoint has restored.
    """
    pinned = device.type == "cuda"
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pinned,
        generator=torch.Generator(),
        worker_init_fn=interruption.start_worker,
    )


def _collate(samples):
    return default_collate(samples) if samples else None


def iterate(args, model, optimizer, loader, step, total, start=0, extra=dict):
    """The loop of every training: runs `step(iteration, batch)` -> loss for each batch, and optimises.

    Of several processes, each has its share of the batch and of the loss. Shows loss, learning rate, the share of the
    time spent waiting for data, and the time left; logs them to TensorBoard under <out>/tensorboard. At the intervals of
    `args`, at the end and when it is interrupted it writes <out>/training.pth, from which the same command goes on, with
    `extra()` in it. Raises InputError if a loss is not finite, and Interrupted.
    """
    model.train()
    bar = progress_bar(args.out.name, total, start, unit="it")
    with interruption.deferred(), _log(args.out, start) as log, bar:
        last, waited = None, 0.0
        begun = end = saved = time.perf_counter()
        for iteration, batch in enumerate(loader, start):
            waited += time.perf_counter() - end
            if batch is None:  # an empty share, perhaps the first since the training went on
                last = last or loader.collate_fn([loader.dataset[0, 0]])
                batch = {name: value[:0] for name, value in last.items()}
            last = batch
            loss = step(iteration, batch)
            optimizer.zero_grad(set_to_none=True)
            (loss * distributed.WORLD_SIZE).backward()  # gradients are averaged over the processes
            value, stop, due = _agree(
                loss, interruption.requested(), time.perf_counter() - saved > 60 * args.save_minutes
            )
            if not math.isfinite(value):
                raise InputError(_not_finite(args.out, value, iteration, loader.dataset, batch))
            optimizer.step()
            lr = optimizer.param_groups[0]["lr"]
            waiting = waited / (time.perf_counter() - begun)  # the share of the time in which the loader was behind
            bar.set_postfix(loss=f"{value:.4f}", lr=f"{lr:.2e}", waiting=f"{waiting:.0%}", refresh=False)
            bar.update()
            if log:
                log.add_scalar("loss", value, iteration)
                log.add_scalar("lr", lr, iteration)
                log.add_scalar("waiting for data", waiting, iteration)
            done = iteration + 1
            if stop or due or done == total or args.save_every and done % args.save_every == 0:
                checkpoint.save_training(args.out / TRAINING_STATE, done, model, optimizer, extra())
                saved = time.perf_counter()
            if stop:
                raise interruption.Interrupted(stop, f" after {done} of {total} iterations")
            end = time.perf_counter()


def _agree(loss, signal, due):
    """(the loss, the signal to stop, whether to save) of all processes: one of them is enough to stop or save all."""
    own = torch.cat([loss.detach().float().view(1), torch.tensor([signal is not None, due], device=loss.device)])
    value, stop, due = distributed.total(own).tolist()
    return value, (signal or SIGTERM) if stop else None, due > 0


def _not_finite(out, value, iteration, images, batch):
    """The message on a loss that is not finite, with the images of the whole batch."""
    own = [images.items[index].id for index in batch["index"].tolist()]
    ids = [id for ids in distributed.gather(own) for id in ids]
    advice = "a lower --lr or --no-amp may help; look at these images and their labels"
    return f"{out}: the loss is {value} at iteration {iteration}, images {' '.join(ids)}: {advice}"


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
    """Moves the tensors of a batch (a dictionary); images become channels-last."""
    moved = {}
    for name, value in batch.items():
        if isinstance(value, torch.Tensor):
            value = value.to(device, non_blocking=True)
            if value.dim() == 4:
                value = value.contiguous(memory_format=torch.channels_last)
        moved[name] = value
    return moved
