"""README and the pages below docs/ name only what exists: links, paths, commands and their arguments."""

import io
import re
import runpy
import sys
from contextlib import redirect_stdout, suppress
from functools import cache
from pathlib import Path
from unittest.mock import patch

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TABLES = sorted((ROOT / "docs").glob("*/*.md"))  # made by commands
# packages whose modules are commands
COMMANDS = ("cls", "data", "evaluate", "fbr", "irn", "pseudo", "report", "seg", "weights")
PACKAGES = (*COMMANDS, "benchmarks", "common", "stages")
PROGRAMS = (".cff", ".py", ".sbatch", ".sh", ".toml")  # suffixes of files that exist wherever they are named
MADE_BY_USERS = ("data/", "downloads/", "runs/", "weights/", ".venv/")
EXAMPLES = {  # docs/own_rule.md and docs/own_network.md show how to write them
    "own_network.py",
    "pseudo/salient.py",
    "scripts/paper/salient.sh",
    "pseudo.salient",
}
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")
FOREIGN = {"--logdir", "--nproc-per-node", "--shm-size"}  # options of tensorboard, torchrun and docker


def code(text):
    """What stands in code spans and blocks, one string a line."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))
    return [line for block in blocks for line in block.splitlines()] + spans


def words(text):
    return {word.strip("\"'(),;:") for line in code(text) for word in line.split()} - EXAMPLES


def anchors(page):
    """The anchors that GitHub gives the headings of a page, or the lines of a file."""
    if page.suffix != ".md":
        return {f"L{number}" for number, _ in enumerate(page.read_text().splitlines(), start=1)}
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_links(text, page):
    """Relative links and pictures of a page that lead nowhere."""
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if re.match(r"https?://", link) or (target.is_file() and (not anchor or anchor in anchors(target))):
            continue
        yield link
    for path, line, name in re.findall(r"\]\(([^)\s#]+)#L(\d+)\) \| `(\w+)`", text):  # where an equation is
        if not re.match(rf"\s*(def|class) {name}\b", (page.parent / path).read_text().splitlines()[int(line) - 1]):
            yield f"{path}:{line}: {name}"


@cache
def file_names():
    folders = (*PACKAGES, "docs", "scripts", "tests")
    below = [path.name for folder in folders for path in (ROOT / folder).rglob("*.*")]
    return {*below, *(path.name for path in ROOT.iterdir() if path.is_file())}


def wrong_paths(text):
    """Files and folders of this repository that are named but not there; those that users make do not count."""
    for word in words(text):
        path = word.removeprefix("./")
        if not re.fullmatch(r"[\w.][\w./-]*", path) or (path.startswith(MADE_BY_USERS) and not path.endswith(PROGRAMS)):
            continue
        is_ours = "/" in path and (ROOT / path.split("/")[0]).is_dir()
        if is_ours or ("/" in path and path.endswith(PROGRAMS)):
            if not (ROOT / path).exists():
                yield word
        elif path.endswith(PROGRAMS) or path.startswith("requirements"):
            if path not in file_names():
                yield word


def path_of(module):
    return ROOT / f"{module.replace('.', '/')}.py"


def wrong_modules(text):
    """Commands and other modules, `package.module`, that are named but not there."""
    for word in words(text):
        if re.fullmatch(rf"({'|'.join(PACKAGES)})(\.[a-z]\w*)+", word) and not word.endswith((".pth", *PROGRAMS)):
            if not path_of(word).is_file():
                yield word


def defined(source):
    """The options that a Python source names as strings."""
    return set(re.findall(r'"(--[a-z][\w-]*)"', source))


@cache
def options_of(command):
    """The options that a command's --help names."""
    shown = io.StringIO()
    with patch.object(sys, "argv", [str(path_of(command)), "--help"]), redirect_stdout(shown), suppress(SystemExit):
        runpy.run_path(str(path_of(command)), run_name="__main__")
    return set(OPTION.findall(shown.getvalue()))


@cache
def options_of_all():
    """The options of all commands and benchmarks."""
    modules = [path for package in COMMANDS for path in (ROOT / package).rglob("*.py")]
    modules = [path for path in modules if 'if __name__ == "__main__"' in path.read_text()]
    commands = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules]
    benchmarks = [path.read_text() for path in (ROOT / "benchmarks").glob("*.py")]
    return set().union(*map(options_of, commands), *map(defined, benchmarks))


def wrong_options(text):
    """Options that the command before them does not have, or that no command has if there is none before them.

    Those that the page itself defines, in an example, count as known.
    """
    names = rf"(?:{'|'.join(COMMANDS)})(?:\.[a-z]\w*)+"
    for line in code(text):
        before, *calls = re.split(rf"(?:^|(?<=-m )|(?<= ))({names})(?= |$)", line)
        for command, rest in [(None, before), *zip(calls[::2], calls[1::2])]:
            found = set(OPTION.findall(re.split(r"[;|#]", rest)[0])) - FOREIGN - defined(text)
            exists = command and path_of(command).is_file()  # wrong_modules names those that do not
            wrong = found and found - (options_of(command) if exists else options_of_all())
            yield from (f"{command or ''} {option}".strip() for option in sorted(wrong))


@pytest.mark.parametrize("page", [*PAGES, *TABLES], ids=lambda page: str(page.relative_to(ROOT)))
def test_everything_a_page_names_exists(page):
    text = page.read_text()
    wrong = [*wrong_links(text, page), *wrong_paths(text), *wrong_modules(text), *wrong_options(text)]
    assert not wrong


def test_every_page_is_linked_in_readme():
    text = (ROOT / "README.md").read_text()
    assert [page.name for page in PAGES[1:] if f"(docs/{page.name}" not in text] == []


@pytest.mark.parametrize(
    "find, right, wrong",
    [
        (wrong_links, "[a](docs/data.md#a-data-set-is-a-folder) [b](https://example.org/b)", "[a](docs/none.md)"),
        (wrong_links, "![a](docs/fig6.png)", "![a](docs/fig66.png)"),
        (wrong_links, "[a](docs/data.md#your-own-data) [b](#citation)", "[a](docs/data.md#somebody-elses-data)"),
        (wrong_links, "[a](fbr/losses.py#L216) | `background_loss`", "[a](fbr/losses.py#L215) | `background_loss`"),
        (wrong_paths, "`run_all.sh`, `scripts/settings/`", "`run_most.sh`"),
        (wrong_paths, "`runs/toy/pred1` `<run>/table3.md`", "`scripts/none/`"),
        (wrong_paths, "`data/prepare_toy.py`", "`data/prepare_none.py`"),
        (wrong_paths, "```bash\nDATA=data/mine ./run_all.sh\n```", "```bash\nscirpts/cls_train.sh\n```"),
        (wrong_modules, "`python -m cls.train`", "`python -m cls.trains`"),
        (
            wrong_options,
            "```bash\npython -m data.check --data DIR\n```",
            "```bash\npython -m data.check --split x\n```",
        ),
        (wrong_options, "`seg.predict --crf`", "`seg.predict --fcr`"),
        (wrong_options, "`--save-minutes`", "`--save-hours`"),
    ],
)
def test_what_is_wrong_is_found(find, right, wrong):
    page = (PAGES[0],) if find is wrong_links else ()
    assert not list(find(right, *page)) and len(list(find(wrong, *page))) == 1
