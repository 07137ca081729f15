"""Asks addresses whether they still answer, before the hours of work that need what lies there (`require`).

A single byte is asked for, of all of them at once, and not read: nothing is downloaded.
"""

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from stages.files import InputError

TIMEOUT = 10  # seconds without a sign of the server
PAUSE = 1  # second before an address that did not answer is asked again
ATTEMPTS = 2


class Wanted(NamedTuple):
    """A file that will have to be fetched."""

    path: Path  # where it will lie; a copy from elsewhere can be put there
    url: str
    instead: str = ""  # the ways round, if there are others than a copy; one line


class SecureRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirection from https to anything else, where another could answer in the server's place."""

    def redirect_request(self, request, response, code, message, headers, url):
        if request.type == "https" and not url.startswith("https://"):
            raise InputError(f"{request.full_url}: redirects to {url}, which is not https")
        return super().redirect_request(request, response, code, message, headers, url)


def require(wanted: Iterable[Wanted]) -> None:
    """Raises InputError unless the addresses of all `wanted` files answer; it names file, address and ways round."""
    wanted = list(wanted)
    with ThreadPoolExecutor(max(1, len(wanted))) as pool:
        answers = list(pool.map(lambda each: problem(each.url), wanted))
    dead = [(each, why) for each, why in zip(wanted, answers) if why]
    if dead:
        said = [f"{each.url} does not answer ({why}); {advice(each.path, each.instead)}" for each, why in dead]
        raise InputError(f"{len(dead)} of {len(wanted)} files cannot be fetched, none was: {' -- '.join(said)}")


def advice(path: Path, instead: str = "") -> str:
    """What to do about a file that cannot be had."""
    return f"a copy from elsewhere can be put at {path}" + (f", or: {instead}" if instead else "")


def problem(url: str) -> str | None:
    """Why `url` cannot be fetched, in a few words; None if it answers. Asks twice unless it is refused outright."""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE)
        try:
            ask(url)
            return None
        except urllib.error.HTTPError as error:
            found = str(error)
            if error.code < 500:
                break
        except InputError as error:
            found = str(error)
            break
        except (OSError, ValueError, http.client.HTTPException) as error:
            found = str(error) or type(error).__name__
    return " ".join(found.split())


def ask(url):
    """Asks for the first byte. Raises OSError, HTTPException or ValueError if there is no answer."""
    opener = urllib.request.build_opener(SecureRedirects)
    request = urllib.request.Request(url, headers={"Range": "bytes=0-0"})  # noqa: S310 - https, as in the tables
    with opener.open(request, timeout=TIMEOUT):  # all of it may be coming, as of a server without ranges: not read
        pass
