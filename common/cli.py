"""What every command shares: its arguments, and how it starts, ends and fails."""

import argparse
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from common import distributed
from common.files import InputError
from common.parallel import cores
from common.stage import Stage


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
    parser.add_argument("--channels", type=int, nargs=5, default=[64, 128, 256, 512, 512], help="of VGG's five stages")
    parser.add_argument("--depths", type=int, nargs=5, default=[2, 2, 3, 3, 3], help="convolutions in each of them")
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
    workers = min(8, cores()) if cores() > 1 else 0  # on a single core a process of its own would only cost
    parser.add_argument("--workers", type=int, default=workers, help="processes that read and augment images")
    parser.add_argument("--seed", type=int, default=0, help="fixes initialisation, order and augmentation")


@contextmanager
def exit_on_input_error(command):
    """Turns an InputError into one line on stderr and exit status 2, an interruption into status 130."""
    try:
        yield
    except InputError as error:
        message = str(error).rsplit("InputError: ", 1)[-1].strip()  # a loader's process wraps it into its traceback
        print(f"{command}: error: {message}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print(f"{command}: interrupted; the same command goes on where it stopped", file=sys.stderr)
        sys.exit(130)


def main(parser, run, one_process=False):
    """Parses the command line, opens the stage's folder and calls `run(args)`, which returns what it did in a few words.

    Under torchrun, every process runs it, and the first one keeps the stage's record; a stage for `one_process` refuses.
    Exit status: 0 done or already done, 2 bad input (one line on stderr), 130 interrupted.
    """
    args = parser.parse_args()
    command = command_name()
    start = time.perf_counter()
    with exit_on_input_error(command), distributed.process_group():
        if one_process and distributed.WORLD_SIZE > 1:
            raise InputError("runs in one process: start it without torchrun")
        stage = None  # the first process's alone

        def begin():
            nonlocal stage
            stage = Stage(command, args)
            return stage.begin()

        if not distributed.on_first(begin):
            if distributed.IS_FIRST:
                print(f"{command}: {args.out} is finished, nothing to do")
            return
        try:
            summary = run(args)
        except InputError:
            if stage:
                stage.withdraw_if_empty()
            raise
        distributed.barrier()
        if stage:
            stage.finish(summary)
            print(f"{command}: {summary} -> {args.out} in {time.perf_counter() - start:.1f} s", flush=True)
