"""Around every training's loop: order of the images, learning rate, resumption, progress, log, checkpoints, checks."""

from __future__ import annotations

import math
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from signal import SIGTERM
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset, Sampler

from common.training import checkpoint
from common.training import device as devices
from common.training.data_parallel import parallel
from common.training.device import CopyToCPU
from common.training.loading import make_loader
from common.training.losses import Loss, means
from stages import distributed, interruption
from stages.files import InputError
from stages.progress import progress_bar
from stages.record import TRAINING_STATE

LOG_EVERY = 10  # iterations, because TensorBoard's writer is slow


class ShuffledBatches(Sampler):
    """Batches of (position, index) from `start` to `batches`: each epoch draws a new permutation of `length` images.

    `position` counts the samples since the first epoch and seeds their augmentation. Both follow from the seed and the
    batch's number alone, so that a resumed run, with any number of workers, sees the same samples as one that was not
    stopped. With `whole_epochs` an epoch's last batch may be smaller; without, it is filled from the next epoch. Each
    process gets its share of a batch, which may be empty.
    """

    def __init__(
        self, length: int, batch_size: int, batches: int, seed: int, start: int = 0, whole_epochs: bool = False
    ):
        self.length, self.batch_size, self.batches = length, batch_size, batches
        self.seed, self.start, self.whole_epochs = seed, start, whole_epochs

    def __len__(self) -> int:
        return self.batches - self.start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
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


class Training:
    """Everything around the loop of a training, which contains the method alone:

        with Training(args, model, optimizer, images, device, epochs=14, state={"attention": attention}) as training:
            for iteration, batch in training:
                with training.autocast():
                    maps = training.model(normalise(batch["image"], "torchvision"))
                training.step({"classification": classification_loss(maps.float(), batch["label"])})

    It resumes from <out>/training.pth if that exists; yields the batches of `images` on the device, for `epochs` whole
    epochs or `iterations` full batches; shows each loss, the learning rate, the share of the time spent waiting for
    data and the time left, and logs them under <out>/tensorboard; and writes <out>/training.pth at the intervals of
    `args`, at the end, and on SIGTERM or Ctrl-C. `state` names the objects to be saved beside weights and optimiser;
    they have state_dict and load_state_dict, and their tensors are on the device.

    With several processes, each has its share of a batch; `step` takes a loss's mean over the batch of all of them. It
    raises InputError if a loss or its gradient is not finite, and Interrupted after a signal. Both are read during the
    next step, so that a GPU never waits for this process, but always before a checkpoint.
    """

    def __init__(
        self,
        args: Namespace,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        images: Dataset,
        device: torch.device,
        epochs: int | None = None,
        iterations: int | None = None,
        state: dict[str, Any] | None = None,
    ):
        self.args, self.optimizer, self.images, self.device = args, optimizer, images, device
        self.state, self.scores = state or {}, {}
        self.path = args.out / TRAINING_STATE
        self.epoch_length = math.ceil(len(images) / args.batch_size)
        self.total = iterations or epochs * self.epoch_length
        checkpoint.seed_by_rank(args.seed)
        self.done = checkpoint.resume_training(self.path, model, optimizer, self.state)
        batches = ShuffledBatches(
            len(images), args.batch_size, self.total, args.seed, self.done, whole_epochs=iterations is None
        )
        self.loader = make_loader(images, batches, args.workers, device)
        self.bare_model, self.model = model, parallel(model)
        model.train()
        torch.backends.cudnn.benchmark = not args.deterministic  # sizes are the same at every step

    def autocast(self) -> torch.autocast:
        """Context of mixed precision as `args` ask for it; losses are computed outside of it, in float32."""
        return devices.autocast(self.device, self.args.amp)

    def __enter__(self) -> Training:
        self.stack = ExitStack()
        self.stack.enter_context(interruption.deferred())
        self.log = self.stack.enter_context(_log(self.args.out, self.done))
        self.bar = self.stack.enter_context(progress_bar(self.args.out.name, self.total, self.done, unit="it"))
        return self

    def __exit__(self, *error):
        return self.stack.__exit__(*error)

    def __iter__(self) -> Iterator[tuple[int, dict[str, torch.Tensor]]]:
        """Yield (iteration, batch on the device), with the gradients set to None."""
        self.report, self.waited, last = None, 0.0, None
        self.begun = self.saved = before = time.perf_counter()
        for batch in self.loader:
            self.waited += time.perf_counter() - before
            if batch is None:  # an empty share, perhaps the first batch after a resumption
                last = last or self.loader.collate_fn([self.images[0, 0]])
                batch = {name: value[:0] for name, value in last.items()}
            last = self.batch = batch
            self.optimizer.zero_grad(set_to_none=True)
            yield self.done, {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}
            before = time.perf_counter()

    def step(
        self,
        losses: dict[str, torch.Tensor | Loss | Sequence[Loss]],
        watched: dict[str, torch.Tensor] | None = None,
    ) -> None:
        """Add up the means of the losses, given without them (see common.training.losses), and step the optimiser.

        `watched` {name: scalar, this process's part} is logged beside the losses, every LOG_EVERY iterations. Raises
        ValueError for a loss that is a scalar, InputError if one or the gradient is not finite, and Interrupted after a
        signal and a checkpoint.
        """
        losses = means(losses)
        (sum(losses.values()) * distributed.WORLD_SIZE).backward()  # gradients are averaged over the processes
        gradients = [each.grad for each in self.bare_model.parameters() if each.grad is not None]
        gradient = nn.utils.get_total_norm(gradients) / distributed.WORLD_SIZE  # the same in each process
        self.optimizer.step()
        due = time.perf_counter() - self.saved > 60 * self.args.save_minutes
        numbers = losses | {"gradient": gradient} | (watched or {})
        before = self.report
        self.report = Report(self.done, self.batch, numbers, list(losses), interruption.requested(), due)
        stop, due = self._read(before) if before else (None, False)
        self.done += 1
        every = self.args.save_every
        save = stop or due or self.done == self.total or every and self.done % every == 0
        if save:
            stop = self._read(self.report, log=True)[0] or stop
            self.report = None
            states = {name: each.state_dict() for name, each in self.state.items()}
            checkpoint.save_training(self.path, self.done, self.bare_model, self.optimizer, states)
            self.saved = time.perf_counter()
        self.bar.update()
        if stop:
            distributed.barrier()  # torchrun ends all processes with the first, and the others may still be saving
            raise interruption.Interrupted(stop, f" after {self.done} of {self.total} iterations")

    def show(self, name: str, score: float) -> None:
        """Log a score of the network as it is now, such as one on validation images, and show it until the next."""
        self.scores[name] = f"{score:.2f}"
        if self.log:
            self.log.add_scalar(name, score, self.done)

    def _read(self, report, log=False):
        """Check and show a step's losses, and log them every LOG_EVERY iterations. Returns as Report.read."""
        found = report.read(self.args.out, self.images)
        lr = self.optimizer.param_groups[0]["lr"]
        waiting = self.waited / (time.perf_counter() - self.begun)  # share of the time
        shown = {name: f"{report.numbers[name]:.4f}" for name in report.losses}
        self.bar.set_postfix(shown | self.scores, lr=f"{lr:.2e}", waiting=f"{waiting:.0%}", refresh=False)
        if self.log and (log or report.iteration % LOG_EVERY == 0):
            for name, value in (report.numbers | {"lr": lr, "waiting for data": waiting}).items():
                self.log.add_scalar(f"loss/{name}" if name in report.losses else name, value, report.iteration)
        return found


class Report:
    """Report of one step: its numbers, whether to stop, whether to save; copied from the device without waiting.

    `numbers` {name: scalar, this process's part}, `losses` names those that are losses; "gradient" is the gradient's
    length. With several processes the numbers are those of the whole batch; all stop or save if one of them has to.
    """

    def __init__(
        self,
        iteration: int,
        batch: dict[str, torch.Tensor],
        numbers: dict[str, torch.Tensor],
        losses: list[str],
        signal: int | None,
        due: bool,
    ):
        self.iteration, self.batch, self.signal = iteration, batch, signal
        self.names, self.losses = list(numbers), losses
        own = torch.stack([number.detach().float() for number in numbers.values()])
        # filled on the device, because a copy to it would wait
        flags = (own.new_full((1,), flag) for flag in (signal is not None, due))
        self.copy = CopyToCPU(distributed.total(torch.cat([own, *flags])))

    def read(self, out: Path, images: Dataset) -> tuple[int | None, bool]:
        """Wait for the report; returns (signal to stop or None, whether to save).

        Sets `numbers` to {name: number}. Raises InputError if a loss or the gradient is not finite, naming all losses,
        the iteration and the images.
        """
        *values, stop, due = self.copy.get().tolist()
        self.numbers = dict(zip(self.names, values, strict=True))
        for name in (*self.losses, "gradient"):
            if not math.isfinite(self.numbers[name]):
                what = f"the {name} loss" if name in self.losses else "the gradient"
                losses = ", ".join(f"{loss} loss {self.numbers[loss]:.4g}" for loss in self.losses)
                own = [images.items[index].id for index in self.batch["index"].tolist()]
                ids = " ".join(id for ids in distributed.gather(own) for id in ids)
                where = f"{what} is {self.numbers[name]} at iteration {self.iteration} ({losses}), images {ids}"
                advice = "a lower --lr or --no-amp may help; look at these images and their labels"
                raise InputError(f"{out}: {where}: {advice}")
        return (self.signal or SIGTERM) if stop else None, due > 0


def _log(out, start):
    """Context with a TensorBoard writer in the first process, None in the others."""
    if not distributed.IS_FIRST:
        return nullcontext()
    from torch.utils.tensorboard import SummaryWriter  # slow to import

    return SummaryWriter(out / "tensorboard", purge_step=start)


def poly_lr(base_lr: float, iteration: int, max_iterations: int, power: float = 0.9, step: int = 10) -> float:
    """Learning rate at `iteration` (from 0): DeepLab-v2's poly policy (section 4.1.2), set every `step` iterations."""
    return base_lr * (1 - iteration // step * step / max_iterations) ** power


def sample_seed(seed: int, position: int) -> int:
    """Seed of the augmentation of one sample, from 0 to 2^64 - 1."""
    return int(np.random.SeedSequence([seed, position]).generate_state(1, np.uint64)[0])
