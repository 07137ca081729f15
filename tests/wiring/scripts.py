"""The calls of `python` that a shell script makes, without running them, and one line for each."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = ("DATA", "RUN", "SETTINGS", "TRAIN", "VAL", "EVAL_TRAIN", "SEED", "AMP", "TOY_ARGS", "ROUND", "SPLIT", "OUT")
OUTSIDE += (
    "GPUS",
    "LAUNCH",
    "LAUNCH_LABELS",
    "WEIGHTS",
    "TABLES",
    "JOBS",
    "CORES",
    "SHARED_DATA",
    "CUDA_VISIBLE_DEVICES",
)
SEPARATOR = "\x1f"
RECORDER = """#!/bin/sh
[ "$1" != -c ] || exec {python} "$@"
(IFS=$(printf '\\037'); echo "$*") >>"$CALLS"
case $2 in
cls.* | irn.* | pseudo.* | seg.predict) # leaves its folder in the run: scripts/summary.sh looks for it
    for word; do
        [ "$last" != --out ] || out=$word
        last=$word
    done
    case $out in /*) mkdir -p "$out" ;; esac
    ;;
esac
"""


def path_of(name, root):
    """scripts/<name>.sh, or in a folder of scripts/."""
    return root / f"{name}.sh" if name == "run_all" else next((root / "scripts").rglob(f"{name}.sh"))


def calls_of(folder, name, *arguments, root=ROOT, **variables):
    """[(module, [argument, …]), …] that a script runs, in their order; `folder` is for the recorder.

    `root`: of a copy of run_all.sh and scripts.
    """
    python, calls = folder / "python", folder / "calls"
    python.write_text(RECORDER.format(python=sys.executable))
    python.chmod(0o755)
    calls.write_text("")
    environment = {key: value for key, value in os.environ.items() if key not in OUTSIDE}
    environment |= {"VENV": "", "PYTHON": str(python), "CALLS": str(calls)}
    environment |= {key: str(value) for key, value in variables.items()}
    command = ["bash", str(path_of(name, root)), *map(str, arguments)]
    result = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = [line.split(SEPARATOR) for line in calls.read_text().splitlines()]
    return [(line[1], line[2:]) for line in lines if line[0] == "-m"]


def parser_of(name):
    module = importlib.import_module(name)
    return (getattr(module, "parser", None) or module.arguments)()


def parsed(module, arguments):
    args = parser_of(module).parse_args(list(map(str, arguments)))
    resolve = getattr(importlib.import_module(module), "resolve", lambda args: {})
    return vars(args) | resolve(args)


def defaults_of(module):
    """The arguments of a command that is given no more than it requires."""
    parser = parser_of(module)
    needed = [action.option_strings[0] for action in parser._actions if action.required]
    return parsed(module, [word for name in needed for word in (name, "x")])


def lines_of(calls, run):
    """One line a stage, in the order of the calls: "<out>: <command> <split> <argument>=<value> …" without defaults.

    Paths in the folder `run` are relative to it, lists are joined by commas; a table is a line for each of its rows.
    A stage may be called twice, but only with the same arguments, and not before what it reads has been made.
    """
    lines, made = [], {}
    for module, words in calls:
        if module == "report.tables.table":
            table = parsed(module, words)
            lines += [f"{table['name']} | {' | '.join(row)}" for row in table["row"]]
        if not {"--split", "--out"} <= {*words} or module.startswith("report."):
            continue
        arguments = parsed(module, words)
        defaults = defaults_of(module)
        told = {name: shown(value, run) for name, value in arguments.items() if value != defaults[name]}
        out, split = told.pop("out"), told.pop("split")
        del told["data"]
        for name in told:
            if isinstance(arguments[name], Path) and arguments[name].is_relative_to(run):
                assert any(Path(told[name]).is_relative_to(folder) for folder in made), f"{out}: no {name} yet"
        line = " ".join([f"{out}: {module} {split}", *(f"{name}={value}" for name, value in told.items())])
        assert made.setdefault(out, line) == line, f"{out} is made in two ways"
        lines += [line] if line not in lines else []
    return lines


def shown(value, run):
    if isinstance(value, Path) and value.is_relative_to(run):
        return str(value.relative_to(run))
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
