"""Check that everything works on a GPU, and measure how fast; scripts/gpu_check.sh runs it.

The checks come in order of importance. One that no longer fits into the seconds is left out, and reported as such; one
that fails is reported as FAILED and makes the exit status 1, and the others still run. After each check the time of the
paper's run is extrapolated from what is there. The lines are printed, and written at once to a file of JSON lines, so
that nothing is lost if this process is killed. THIN=1 makes everything tiny, for a try on a CPU.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from measurement import measured, with_origin


class Ended(BaseException):
    """A signal: the time is up, or this process is to end. Argument: its number."""


def end(number, frame):
    raise Ended(number)


def parser(first, second):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names, others = (list(dict.fromkeys(check.name for check in checks)) for checks in (first, second))
    help = f"of {', '.join([*names, *others])} (default: {' '.join(names)})"
    parser.add_argument("--only", nargs="+", metavar="CHECK", choices=[*names, *others], default=names, help=help)
    parser.add_argument("--seconds", type=float, default=480, help="time limit in all (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="output file of JSON lines")
    return parser


def run_checks(checks, place, deadline, tell, extrapolate):
    """Run each of the `checks` that has the time it needs before the `deadline` of time.monotonic().

    Every line goes to `tell` at once, after each check also that of `extrapolate(lines)`, which is only shown if it has
    changed. Raises Ended on SIGTERM.
    """
    lines, left_out, before = [], [], None

    def add(line):
        lines.append(line)
        tell(line)

    for check in checks:
        if deadline - time.monotonic() < check.seconds:
            left_out.append(str(check))
            continue
        try:
            for line in check.function(place, *check.arguments):
                add(line)
        except Ended as ended:
            if ended.args[0] != signal.SIGALRM:
                raise
            signal.setitimer(signal.ITIMER_REAL, 0)
            left_out.append(f"{check} (not finished)")
        except (Exception, SystemExit) as error:
            traceback.print_exc()
            note = f"{type(error).__name__}: {str(error):.300}"
            add(measured("Not done", str(check), "", {}, note=note) | {"met": False})
        if whole := extrapolate(lines):
            tell(whole, show=whole != before)
            before = whole
    if left_out:
        tell(measured("Left out", "what no longer fitted into the time", "", {}, note=", ".join(left_out)))


def text(line):
    """A line in words."""
    verdict = {True: "ok", False: "FAILED", None: ""}[line.get("met")]
    sides = ", ".join(f"{name} {value:g}" for name, value in line["sides"].items())
    parts = [line["section"], line["what"], f"{sides} {line['unit']}", line.get("target"), line.get("note")]
    return f"{verdict:7} {': '.join(part for part in parts if part and part.strip())}"


def main(start):
    """Run the checks that the command line names, and report their lines. Returns whether one has failed."""
    import gpu_checks  # slow: PyTorch

    args = parser(gpu_checks.FIRST, gpu_checks.SECOND).parse_args()
    failed, deadline = [], start + args.seconds

    def tell(line, show=True):
        file.write(json.dumps(with_origin(line), ensure_ascii=False) + "\n")
        if show:
            print(text(line), flush=True)
        if line.get("met") is False:
            failed.append(line)

    args.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, open(args.out, "w", buffering=1, encoding="utf-8") as file:
        place = gpu_checks.prepare(Path(folder), bool(os.environ.get("THIN")))
        tell(gpu_checks.machine(place))
        checks = [check for check in (*gpu_checks.FIRST, *gpu_checks.SECOND) if check.name in args.only]
        # again and again, because an exception can get lost, as in a callback
        signal.setitimer(signal.ITIMER_REAL, max(0.1, deadline - time.monotonic()), 30)
        run_checks(checks, place, deadline, tell, gpu_checks.whole_run)
        signal.setitimer(signal.ITIMER_REAL, 0)
    return bool(failed)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGALRM):
        signal.signal(number, end)
    try:
        sys.exit(main(time.monotonic()))
    except Ended as ended:
        sys.exit(128 + ended.args[0])
