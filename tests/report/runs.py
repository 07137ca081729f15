"""Runs as the reports read them: records and scores that commands have left."""

import json

from evaluate import labels as evaluate


def put(path, content):
    """Write JSON, or a text as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def record(command, minute=0, **parts):
    """The record of a stage that began so many minutes after ten and took one, with other `parts` if they are given."""
    times = {"started": f"2026-01-01 10:{minute:02}:00", "finished": f"2026-01-01 10:{minute + 1:02}:00"}
    told = {"call": f"python -m {command}", "summary": f"{command} is done", "machine": "M", "processes": 1}
    return {"command": command, "arguments": {}, "inputs": {}, "versions": {}} | times | told | parts


def score(run, data, folder, split, *more):
    """Score <run>/<folder> as evaluate.labels does, with its record."""
    out, arguments = run / "scores" / folder, {"data": str(data), "split": split, "pred": str(run / folder)}
    put(out / "stage.json", record("evaluate.labels", arguments=arguments))
    words = [word for name, value in arguments.items() for word in (f"--{name}", value)]
    evaluate.run(evaluate.parser().parse_args([*words, "--out", str(out), "--workers", "1", *more]))
