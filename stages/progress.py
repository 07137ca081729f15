"""The progress bar of every stage."""

import sys

from tqdm import tqdm

from stages import distributed


def progress_bar(description, total, initial=0, unit="img"):
    """A tqdm bar: live on a terminal; in a log file a line every half minute, and none at all from short work.

    Under torchrun, the first process shows its own share.
    """
    seen = sys.stderr.isatty()
    pace = {"mininterval": 0.2, "delay": 0.3} if seen else {"mininterval": 30, "delay": 10}
    silent = not distributed.IS_FIRST
    return tqdm(desc=description, total=total, initial=initial, unit=unit, dynamic_ncols=seen, disable=silent, **pace)
