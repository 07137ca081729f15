"""In what the records of two runs differ: stages, arguments, inputs, versions, machines."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from report.reading import Stage, argument_text, recorded_run

RUN = "$RUN"  # stands for the run's own folder, as in scripts/
UNKNOWN = "(not recorded)"
ARGUMENT, INPUT, MADE, VERSION = "argument", "input", "made in the run", "version"


class Difference(NamedTuple):
    """A value that differs, and the stages in which it differs in this way."""

    kind: str  # ARGUMENT; INPUT, from outside of the runs; MADE, an input that an earlier stage made; VERSION
    name: str
    a: str
    b: str
    stages: list[str]

    def where(self, common: Sequence[str]) -> str:
        """The stages in words; "all" if they are all that both runs have."""
        return "all" if self.stages == list(common) else ", ".join(self.stages)


def merged(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """The names of both lists in their order: what only `b` has stands behind what it follows there."""
    names = list(a)
    for place, name in enumerate(b):
        if name not in names:
            names.insert(names.index(b[place - 1]) + 1 if place else 0, name)
    return names


def differences(a: tuple[Path, list[Stage]], b: tuple[Path, list[Stage]]) -> list[Difference]:
    """The differences of the stages that both runs have, each a pair of its folder and its stages, by kind.

    Paths in the run's own folder are compared as if both runs lay in one place, inputs by their content.
    """
    stages = [{stage.folder: stage for stage in found} for _, found in (a, b)]
    found = {}
    for folder in common_folders(a[1], b[1]):
        for kind, name, *values in _of_stage(*((run, each[folder]) for (run, _), each in zip((a, b), stages))):
            found.setdefault((kind, name, *values), []).append(folder)
    kinds = (ARGUMENT, INPUT, MADE, VERSION)
    return sorted((Difference(*key, where) for key, where in found.items()), key=lambda each: kinds.index(each.kind))


def common_folders(a: Iterable[Stage], b: Iterable[Stage]) -> list[str]:
    """The folders of the stages that both runs have, in A's order."""
    theirs = {stage.folder for stage in b}
    return [stage.folder for stage in a if stage.folder in theirs]


def _of_stage(a: tuple[Path, Stage], b: tuple[Path, Stage]) -> Iterator[tuple[str, str, str, str]]:
    """Yields (kind, name, value in A, value in B) of what differs in one stage."""
    records, plain = [stage.record for _, stage in (a, b)], [_plain(run, stage) for run, stage in (a, b)]
    yield from _unequal(ARGUMENT, *({"command": each["command"]} for each in records))
    yield from _unequal(ARGUMENT, *({"finished": bool(each["finished"])} for each in records))
    inputs = [each["inputs"] for each in records]
    paths = inputs[0].keys() | inputs[1].keys()
    arguments = [
        {name: of(value) for name, value in each["arguments"].items()} for each, of in zip(records, plain, strict=True)
    ]
    yield from _unequal(ARGUMENT, *({name: each[name] for name in each.keys() - paths} for each in arguments))
    for name in sorted(paths):
        if len({content_of(each.get(name)) for each in inputs}) == 1:
            continue
        values = [argument_text(each.get(name, UNKNOWN)) for each in arguments]
        made = all(value.startswith(f"{RUN}/") for value in values)
        shas = [content_of(each.get(name))[:8] for each in inputs]
        texts = [f"{value} ({sha})" if sha else value for value, sha in zip(values, shas, strict=True)]
        yield (MADE, name, *values) if made and values[0] == values[1] else (INPUT, name, *texts)
    machines = [{key: each[key] for key in ("machine", "processes") if key in each} for each in records]
    versions = [each["versions"] if isinstance(each.get("versions"), dict) else {} for each in records]
    yield from _unequal(VERSION, *(one | other for one, other in zip(versions, machines, strict=True)))


def _unequal(kind: str, a: dict[str, Any], b: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for name in sorted(a.keys() | b.keys()):
        if a.get(name) is None and b.get(name) is None:
            continue  # an earlier version's record lacks an argument that was not given in the other
        values = [argument_text(each[name]) if name in each else UNKNOWN for each in (a, b)]
        if name == "commit":  # 40 digits, and "-dirty"
            values = [value[:12] + value[40:] for value in values]
        if a.get(name, UNKNOWN) != b.get(name, UNKNOWN):
            yield kind, name, *values


def content_of(input: object) -> str:
    """The SHA-256 of what an input held, "" if the record has none."""
    return str(input.get("sha256", "")) if isinstance(input, dict) else ""


def _plain(run: Path, stage: Stage) -> Callable[[Any], Any]:
    """A function that writes RUN for the run's folder in the values of a stage's arguments."""
    places = {str(run), str(run.resolve()), *recorded_run(stage)} - {".", "/"}

    def plain(value):
        if isinstance(value, list):
            return [plain(each) for each in value]
        if isinstance(value, str):
            for place in sorted(places, key=len, reverse=True):
                if value == place or value.startswith(f"{place}/"):
                    return RUN + value[len(place) :]
        return value

    return plain
