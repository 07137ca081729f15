"""Stands in for `python -m` in scripts/gpu_check.sh: stops trainings once, and then lets them go on.

python benchmarks/disturbed.py MODULE ARGUMENTS. Trainings of the classifier are stopped by kill -9, seg.train by
SIGTERM, each at its first checkpoint, which it has to write (--save-every) well before its end; every other stage just
runs.
"""

import signal
import subprocess
import sys
import time
from pathlib import Path

SIGNALS = {"cls.train": signal.SIGKILL, "cls.train_fbr": signal.SIGKILL, "seg.train": signal.SIGTERM}


def out_of(arguments):
    """The folder that a stage writes: its last --out counts."""
    return Path(arguments[len(arguments) - arguments[::-1].index("--out")])


def stop(arguments, number):
    """Starts a training, `arguments` of `python -m`, and sends it a signal once it has written a checkpoint.

    Raises RuntimeError if it does not end as it should.
    """
    state = out_of(arguments) / "training.pth"
    process = subprocess.Popen([sys.executable, "-m", *arguments], stderr=subprocess.PIPE, text=True)
    try:
        while process.poll() is None and not state.exists():
            time.sleep(0.02)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    expected = -number if number == signal.SIGKILL else 128 + number
    if process.returncode != expected:
        name = signal.Signals(number).name
        raise RuntimeError(
            f"{arguments[0]}: expected status {expected} after {name}, found {process.returncode}: {errors}"
        )


def main(arguments):
    number = SIGNALS.get(arguments[0])
    if number and not out_of(arguments).exists():
        stop(arguments, number)
        print(f"{arguments[0]}: stopped by {signal.Signals(number).name} after a checkpoint; goes on", flush=True)
    sys.exit(subprocess.run([sys.executable, "-m", *arguments]).returncode)


if __name__ == "__main__":
    main(sys.argv[1:])
