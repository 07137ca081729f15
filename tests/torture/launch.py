"""Stands in for `python -m` in scripts/torture.sh: runs a stage, but first kills it a few times at random moments.

python tests/torture/launch.py MODULE ARGUMENTS. From outside: TORTURE_LOG, a file of JSON lines to add to;
TORTURE_KILLS, how
often to kill (0: the stage runs undisturbed, and its duration is noted); TORTURE_CALM, the log of an undisturbed run.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

PATIENCE = 3600  # seconds after which a stage and its processes that have not ended after a signal hang


def start(arguments):
    """The stage as the leader of a session of its own, by which its processes can be found."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.Popen(command, start_new_session=True, stderr=subprocess.PIPE, text=True)


def members(session):
    """The living processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = path.read_text().rpartition(")")[2].split()[:4]
        except OSError:  # it has just ended
            continue
        if int(own) == session and state != "Z":
            found.append(int(path.parent.name))
    return found


def kill_once(arguments, number, delay):
    """Starts the stage and sends it a signal after `delay` seconds. Returns a dictionary, or None if it was done."""
    process = start(arguments)
    try:
        process.wait(delay)
        _, errors = process.communicate()
        return None if process.returncode == 0 else fail(arguments, f"status {process.returncode}: {errors}")
    except subprocess.TimeoutExpired:
        pass
    begun = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE)
    ended = time.monotonic() - begun
    while members(process.pid) and time.monotonic() - begun < PATIENCE:
        time.sleep(0.05)
    if members(process.pid):
        fail(arguments, f"processes were left after {signal.Signals(number).name}")
    if process.returncode not in (-number, 128 + number, 0):
        fail(arguments, f"status {process.returncode} after {signal.Signals(number).name}: {errors}")
    told = errors.strip().splitlines()
    if process.returncode == 128 + number and (len(told) != 1 or "resumes it" not in told[0]):
        fail(arguments, f"expected one line on how to go on, found {errors}")
    gone = time.monotonic() - begun
    return {
        "signal": signal.Signals(number).name,
        "after": delay,
        "status": process.returncode,
        "ended": ended,
        "gone": gone,
    }


def fail(arguments, message):
    sys.exit(f"torture: {' '.join(arguments)}: {message}")


def main():
    arguments, log = sys.argv[1:], Path(os.environ["TORTURE_LOG"])
    kills = int(os.environ["TORTURE_KILLS"])
    position = len(log.read_text().splitlines()) if log.exists() else 0
    line = {"stage": arguments[0], "arguments": arguments[1:], "kills": []}
    dice = random.Random(f"{arguments[0]} {position}")
    if kills:
        calm = json.loads(Path(os.environ["TORTURE_CALM"]).read_text().splitlines()[position])
        for turn in range(kills):
            number = (signal.SIGKILL, signal.SIGTERM)[(position + turn) % 2]
            happened = kill_once(arguments, number, dice.uniform(0.1, calm["seconds"]))
            if happened:
                line["kills"].append(happened)
    begun = time.monotonic()
    process = start(arguments)
    _, errors = process.communicate()
    if process.returncode:
        fail(arguments, f"status {process.returncode}: {errors}")
    line["seconds"] = time.monotonic() - begun
    with open(log, "a") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
