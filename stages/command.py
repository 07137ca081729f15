"""Shared by all commands: common arguments, start, end, and how errors are shown."""

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from stages import distributed, interruption
from stages.errors import RESUMES, one_line
from stages.files import InputError
from stages.fingerprints import Selection
from stages.record import Stage, read_arguments


class HelpFormatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the description's line breaks, and shows the default of every argument that has one."""

    def _get_help_string(self, action):
        return action.help if action.default is None else super()._get_help_string(action)


def command_name():
    """The name of the running command, such as "cls.train" or "report.run.compare"."""
    program, root = Path(sys.argv[0]).resolve().with_suffix(""), Path(__file__).resolve().parents[1]
    parts = program.relative_to(root).parts if program.is_relative_to(root) else program.parts[-2:]
    return ".".join(parts)


def command_parser(doc):
    """A parser for a command. `doc`, the module's docstring, is the head of its --help."""
    return argparse.ArgumentParser(f"python -m {command_name()}", description=doc, formatter_class=HelpFormatter)


def stage_parser(doc, data=True):
    """The same for one stage. Arguments of type Path that the stage adds are its inputs (see stages.record)."""
    parser = command_parser(doc)
    if data:
        parser.add_argument("--data", type=Path, required=True, help="data set folder (layout: docs/data.md)")
        parser.add_argument("--split", required=True, help="list of the data set: lists/<split>.txt")
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    parser.add_argument("--force", action="store_true", help="delete the content of --out and redo the stage")
    return parser


@contextmanager
def exit_on_input_error(command):
    """Turns an InputError, a full disk, lack of memory and a killed worker into one line on stderr and exit status 2.

    An interruption ends with 128 + the signal's number. One of several processes exits at once, with its traceback if
    there is one: the others wait for it, and torchrun ends them once it has exited.
    """
    try:
        with _workers_killed():
            yield
    except Exception as error:
        message = one_line(error)
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
        print(f"{command}: interrupted{where}; {RESUMES}", file=sys.stderr)
        distributed.end(128 + getattr(error, "signal", signal.SIGINT))


def run_command(run, parser):
    """Parses the command line of a command that is no stage and calls `run(args)`."""
    with exit_on_input_error(command_name()):
        run(parser.parse_args())


@contextmanager
def _workers_killed():
    """Raises Interrupted where a signal to stop has ended worker processes, instead of their error."""
    try:
        yield
    except RuntimeError:
        time.sleep(0.2 if distributed.WORLD_SIZE == 1 else 2)  # for the signal to come here as well
        interruption.check()
        raise


def main(
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace], str],
    reads: Callable[[argparse.Namespace], dict[str, Selection]] | None = None,
    one_process: bool = False,
    resolve: Callable[[argparse.Namespace, dict | None], dict] | None = None,
) -> None:
    """Parses the command line, opens the stage's folder and calls `run(args)`, which returns a summary of a few words.

    `reads(args)` says which files of input folders the stage reads, {argument: Selection}; of other folders all files
    count. `resolve(args, recorded)` gets the arguments of an earlier record, or None, and returns those that depend on
    others or on this machine, {name: value}: they are recorded as if they had been given. Under torchrun every process
    runs the stage, and the first one keeps its record; with `one_process` the command refuses to run there.
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
            try:
                resolved = resolve(args, read_arguments(args.out)) if resolve else {}
                vars(args).update(resolved)
                stage = Stage(command, args, reads(args) if reads else None)
                return stage.begin(), resolved
            except OSError as error:  # about a path in the arguments, such as too long a name
                raise InputError(f"{error.filename or args.out}: {error.strerror}") from None

        try:
            needed, resolved = distributed.on_first(begin)
            vars(args).update(resolved)
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
