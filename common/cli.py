"""What every command shares: its arguments, and how it starts, ends and fails."""

import argparse
import errno
import re
import signal
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

from common import distributed, interruption
from common.arguments import natural, positive_float, positive_int, random_seed
from common.files import InputError
from common.parallel import cores
from common.stage import Stage, read_arguments


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's lines, and names the default of every argument that has one."""

    def _get_help_string(self, action):
        return action.help if action.default is None else super()._get_help_string(action)


def command_name():
    """The running command as it was called: "cls.train"."""
    program = Path(sys.argv[0]).resolve()
    return f"{program.parent.name}.{program.stem}"


def stage_parser(doc, data=True):
    """A parser for one stage. `doc`, the module's docstring, is the head of its --help.

    Arguments of type Path that the stage adds are its inputs (see common.stage).
    """
    parser = argparse.ArgumentParser(f"python -m {command_name()}", description=doc, formatter_class=HelpFormatter)
    if data:
        parser.add_argument(
            "--data", type=Path, required=True, help="data set folder (layout: README, 'A data set is a folder')"
        )
        parser.add_argument("--split", required=True, help="which list of the data set: lists/<split>.txt")
    parser.add_argument("--out", type=Path, required=True, help="what to write")
    parser.add_argument("--force", action="store_true", help="redo the stage, deleting what --out holds")
    return parser


def add_trunk_arguments(parser):
    """--channels, --depths, --batch-norm: the size of a VGG trunk. The defaults are VGG16."""
    parser.add_argument(
        "--channels", type=positive_int, nargs=5, default=[64, 128, 256, 512, 512], help="of VGG's five stages"
    )
    parser.add_argument(
        "--depths", type=positive_int, nargs=5, default=[2, 2, 3, 3, 3], help="convolutions in each of them"
    )
    parser.add_argument("--batch-norm", action=argparse.BooleanOptionalAction, default=False, help="after each of them")


def add_output_stride_argument(parser):
    """--output-stride of a VGG trunk; weights learned at one serve at the other, as ImageNet's do."""
    parser.add_argument(
        "--output-stride", type=int, choices=[4, 8], default=8, help="pixels of the image to one of the features"
    )


def add_device_arguments(parser):
    """--device, --amp, --workers, --seed: for every stage that runs a network."""
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, …; auto takes a GPU if there is one")
    precision = "bfloat16 where it is safe; losses stay float32 (default: if the hardware is fast at it)"
    parser.add_argument("--amp", action=argparse.BooleanOptionalAction, help=precision)
    rounded = "what is left in float32 on a GPU may be multiplied in TF32, with 10 bits of mantissa, in convolutions"
    parser.add_argument("--tf32", action=argparse.BooleanOptionalAction, default=True, help=rounded)
    workers = min(8, cores()) if cores() > 1 else 0  # on a single core a process of its own would only cost
    parser.add_argument("--workers", type=natural, default=workers, help="processes that read and augment images")
    parser.add_argument("--seed", type=random_seed, default=0, help="fixes initialisation, order and augmentation")
    same = (
        "on CUDA only operators that give the same bits each time, where PyTorch has them; slower (a CPU always does)"
    )
    parser.add_argument("--deterministic", action="store_true", help=same)


def add_save_arguments(parser):
    """--save-minutes, --save-every: how often a training writes what it could go on from."""
    parser.add_argument("--save-minutes", type=positive_float, default=10, help="minutes between checkpoints")
    parser.add_argument("--save-every", type=positive_int, metavar="N", help="a checkpoint every N iterations, too")


OUT_OF_MEMORY = re.compile(  # what Python, PyTorch, OpenCV, the loader and the linker say of it
    r"out of memory|can't allocate memory|cannot allocate memory|unable to allocate|failed to allocate|bad_alloc"
    r"|insufficient memory|failed to map segment|DataLoader worker .* is killed by signal: (Killed|Bus error)|process .*terminated abruptly"
    r"|can't start new thread|resource temporarily unavailable|returned NULL without setting an exception",
    re.IGNORECASE,
)
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
NO_WAY = {
    errno.ENOENT,
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ELOOP,
}


@contextmanager
def exit_on_input_error(command):
    """Turns an InputError, a full disk and too little memory into one line on stderr and exit status 2.

    An interruption ends with 128 + the signal's number. One of several processes ends at once, with its traceback if
    need be: the others wait for it, and torchrun ends them when it has ended.
    """
    try:
        with _workers_killed():
            yield
    except Exception as error:
        message = _message(error)
        if message is None and distributed.WORLD_SIZE == 1:
            raise
        if message is None:
            traceback.print_exc()
            distributed.end(1)
        print(f"{command}: error: {' '.join(message.splitlines())}", file=sys.stderr)
        distributed.end(2)
    except (interruption.Interrupted, KeyboardInterrupt) as error:
        interruption.ignore()
        where = getattr(error, "where", "")
        print(f"{command}: interrupted{where}; the same command goes on where it stopped", file=sys.stderr)
        distributed.end(128 + getattr(error, "signal", signal.SIGINT))


@contextmanager
def _workers_killed():
    """Where a signal that asks to stop has ended worker processes, or torchrun ends this one, it is no error of its own."""
    try:
        yield
    except RuntimeError:
        time.sleep(0.2 if distributed.WORLD_SIZE == 1 else 2)  # for the signal to come here as well
        interruption.check()
        raise


def _message(error):
    """What to tell of an error that the user can do something about, in one line; None of another."""
    text = str(error).rsplit("InputError: ", 1)[-1].strip()  # a loader's process wraps it into its traceback
    if isinstance(error, InputError) or "InputError: " in str(error):
        return text
    if isinstance(error, OSError) and error.errno in NO_WAY:
        return f"{error.filename or 'writing'}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return f"{error.filename or 'writing'}: {error.strerror}; the same command goes on where it stopped"
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)):
        advice = "a smaller --batch-size or fewer --workers need less; the same command goes on where it stopped"
        return f"not enough memory ({text.splitlines()[0] if text else 'MemoryError'}); {advice}"
    return None


def main(parser, run, one_process=False, settle=None):
    """Parses the command line, opens the stage's folder and calls `run(args)`, which returns what it did in a few words.

    `settle(args, recorded)` gets the arguments of the record that is there, or None, and returns those that this machine
    decides, {name: value}: they are recorded as if they had been given. Under torchrun, every process runs it, and the first one keeps the stage's record; a stage for `one_process` refuses.
    Exit status: 0 done or already done, 2 bad input (one line on stderr), 130 or 143 interrupted.
    """
    args = parser.parse_args()
    command = command_name()
    start = time.perf_counter()
    interruption.listen()
    with exit_on_input_error(command), distributed.process_group():
        if one_process and distributed.WORLD_SIZE > 1:
            raise InputError("runs in one process: start it without torchrun")
        stage = None  # the first process's alone

        def begin():
            nonlocal stage
            settled = settle(args, read_arguments(args.out)) if settle else {}
            vars(args).update(settled)
            defaults = {name: parser.get_default(name) for name in vars(args)} | settled
            stage = Stage(command, args, _files(args), defaults)
            return stage.begin(), settled

        try:
            needed, settled = distributed.on_first(begin)
            vars(args).update(settled)
            if not needed:
                if distributed.IS_FIRST:
                    print(f"{command}: {args.out} is finished, nothing to do")
                return
            summary = run(args)
            distributed.barrier()
            if stage:
                stage.finish(summary)
                print(f"{command}: {summary} -> {args.out} in {time.perf_counter() - start:.1f} s", flush=True)
        except InputError:
            if stage and stage.lock is not None and distributed.WORLD_SIZE == 1:  # others may still be writing
                stage.withdraw_if_empty()
            raise
        finally:
            if stage:
                stage.release()


def _files(args):
    """Of the data set what the split holds: another list beside it is no change."""
    if "data" not in args or "split" not in args:
        return {}
    from data.layout import DataSet

    return {"data": DataSet(args.data).files(args.split)}
