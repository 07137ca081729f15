"""The progress bar of every stage."""

import sys

from tqdm import tqdm


def progress_bar(description, total, initial=0, unit="img"):
    """A tqdm bar: live on a terminal; in a log file a line every half minute, and none at all from short work."""
    seen = sys.stderr.isatty()
    pace = {"mininterval": 0.2, "delay": 0.3} if seen else {"mininterval": 30, "delay": 10}
    return tqdm(desc=description, total=total, initial=initial, unit=unit, dynamic_ncols=seen, **pace)
