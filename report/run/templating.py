"""Make pages from the templates in report/run/templates/: HTML, and Markdown for the model card."""

import re
import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import jinja2

from report.run.reading import argument_text, duration

TEMPLATES = Path(__file__).parent / "templates"


def number(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals; a dash for None, a score that is undefined."""
    return "–" if value is None or isinstance(value, jinja2.Undefined) else f"{value:.{digits}f}"


def cell(value: object) -> str:
    """A value as Markdown on one line and without markup, fit for a table's cell; a dash for None."""
    text = " ".join(str("–" if value is None else value).split())
    return re.sub(r"([\\|<\[*`])", r"\\\1", text)


def listed(values: Iterable) -> str:
    """Values as "a, b", each once, without None and what is undefined; a dash if nothing is left."""
    found = dict.fromkeys(str(value) for value in values if value is not None)
    return ", ".join(filter(None, found)) or "–"


def render(template: str, **context) -> str:
    """The text of a template, in which every value is escaped unless it is Markup, such as a chart.

    Raises jinja2.UndefinedError if the template needs a value that is not given.
    """
    return _environment(template.endswith(".md")).get_template(template).render(**context)


@cache
def _environment(markdown):
    kinds = {"finalize": cell, "undefined": jinja2.ChainableUndefined} if markdown else {"autoescape": True}
    environment = jinja2.Environment(  # noqa: S701, Markdown is escaped by `cell`
        loader=jinja2.FileSystemLoader(TEMPLATES),
        trim_blocks=True,
        lstrip_blocks=True,
        **{"undefined": jinja2.StrictUndefined} | kinds,
    )
    environment.filters |= {"argument": argument_text, "duration": duration, "listed": listed, "number": number}
    return environment


def write_page(path: Path, template: str, **context) -> None:
    """Write the page of a template to `path`, UTF-8."""
    path.write_text(render(template, **context), encoding="utf-8", errors="replace")  # JSON may hold half a character


def copy_assets(out: Path) -> None:
    """Copy style sheets and scripts to <out>/files/."""
    (out / "files").mkdir(exist_ok=True)
    for path in [*TEMPLATES.glob("*.css"), *TEMPLATES.glob("*.js")]:
        shutil.copyfile(path, out / "files" / path.name)
