"""Make HTML pages from the templates in report/run/templates/; report.run.html uses them."""

import shutil
from functools import cache
from pathlib import Path

import jinja2

TEMPLATES = Path(__file__).parent / "templates"


def number(value: float | None, digits: int = 2) -> str:
    """A number with so many digits behind the point; a dash for None, a score that is undefined."""
    return "–" if value is None else f"{value:.{digits}f}"


def signed(value: float | None, digits: int = 2) -> str:
    """A difference with its sign, a true minus; a dash for None."""
    return "–" if value is None else f"{value:+.{digits}f}".replace("-", "−")


def render(template: str, **context) -> str:
    """The page of a template in report/run/templates/, in which every value of `context` is escaped.

    Strings of type markupsafe.Markup, such as the charts, are taken as they are. Raises jinja2.UndefinedError if the
    template needs a value that is not given.
    """
    return _environment().get_template(template).render(**context)


@cache
def _environment():
    """Made once a process, and with it each template is compiled once: image pages are hundreds."""
    loader = jinja2.FileSystemLoader(TEMPLATES)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "signed": signed}
    return environment


def write_page(path: Path, template: str, **context) -> None:
    """Write the page of a template to `path`, UTF-8."""
    path.write_text(render(template, **context), encoding="utf-8", errors="replace")  # JSON may hold half a character


def copy_assets(out: Path) -> None:
    """Copy the style sheet of every page to <out>/files/."""
    (out / "files").mkdir(exist_ok=True)
    shutil.copyfile(TEMPLATES / "report.css", out / "files" / "report.css")
