"""The text of a model card: what report.run.publish knows of a run, from its records alone.

What no record says is left out. Every number has its split beside it, and the threshold that it was taken at.
"""

from typing import Any, NamedTuple

from common.scores import cuts
from report.run.markdown import cell, listed, megabytes, percent, shell_word
from report.run.reading import Scored, Stage, argument_text, commit_of, duration, short_commit
from report.tables.summary import said_of
from report.tables.table import markdown_table

TRAININGS = {  # commands that write weights, and those that read them
    "cls.train": "cls.infer",
    "cls.train_fbr": "cls.infer",
    "cls.train_iam": "cls.infer",
    "irn.train": "irn.walk",
    "seg.train": "seg.predict",
}
METHODS = {  # by a command that only they have: name, and how the paper is cited
    "pseudo.nsrm": (
        "NSROM",
        "Yao et al.: Non-Salient Region Object Mining for Weakly Supervised Semantic Segmentation. CVPR 2021, "
        "[arXiv:2103.14581](https://arxiv.org/abs/2103.14581)",
    ),
    "cls.train_fbr": (
        "FBR",
        "Yin et al.: Fine-grained Background Representation for Weakly Supervised Semantic Segmentation. IEEE TCSVT "
        "2024, [arXiv:2406.15755](https://arxiv.org/abs/2406.15755)",
    ),
    "irn.train": (
        "IRN",
        "Ahn et al.: Weakly Supervised Learning of Instance Segmentation with Inter-Pixel Relations. CVPR 2019, "
        "[arXiv:1904.05044](https://arxiv.org/abs/1904.05044)",
    ),
}
DRAWN = "trained on images that a program drew (`data.prepare_toy`)"
STARTED = "their training began with weights learned from drawn images (`weights.pretrain_toy`)"
VOC = (
    "The images of PASCAL VOC 2012 are from Flickr; using them must respect Flickr's terms of use, as the data set's "
    "publishers ask. What follows for weights and labels made with them is not for this card to say."
)
UNKNOWN = "The terms of the data set are in no record: unknown here."
OWN = "The code drew the images, so nobody else's terms hold for them."
OTHER_FILES = (
    "## Other files\n\n`logs/` has the record of each stage and, as `origin*.json`, of what made the data set and the "
    "first weights; all scores, those of single images among them; tables; the trainings' logs for TensorBoard. Paths "
    "that led out of the working folder are cut to their last part. `SHA256SUMS` has the SHA-256 of every other file."
)


class Weights(NamedTuple):
    """A weight file of the folder."""

    path: str  # below the folder
    stage: Stage  # its training
    arch: dict[str, Any]  # the network's description; empty in files that have none
    size: int  # bytes
    sha256: str


class Labels(NamedTuple):
    """An archive of labels."""

    path: str  # below the folder
    stage: Stage  # what made them
    count: int  # files
    size: int  # bytes


class Facts(NamedTuple):
    """What a card is made of; its records are fit to be shown."""

    stages: list[Stage]  # of the run
    origins: list[Stage]  # what made its data set and the weights that it began with, as far as it is known
    weights: list[Weights]
    labels: list[Labels]
    scored: list[Scored]
    toy_classes: list[str]  # class names of the toy data, by which they are known without a record


def card(facts: Facts) -> str:
    """The card in Markdown. That of toy weights says so in its first line."""
    parts = [toy_line(facts), head(facts), weights(facts), use(facts), scores(facts), data(facts), trainings(facts)]
    parts += [course(facts), labels(facts), OTHER_FILES, licence(facts), citation(facts)]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def toy_line(facts: Facts) -> str:
    """The first line of a card of toy weights; empty of others."""
    commands = {stage.command for stage in facts.origins}
    named = any(each.arch.get("class_names") == facts.toy_classes for each in facts.weights)
    if not (named or commands & {"data.prepare_toy", "weights.pretrain_toy"}):
        return ""
    why = DRAWN if named or "data.prepare_toy" in commands else STARTED
    return f"**Toy weights: {why}, of use for trying the code only.**"


def head(facts: Facts) -> str:
    """The title, and what was learned from what."""
    commands = {stage.command for stage in facts.stages}
    methods = [name for command, (name, _) in METHODS.items() if command in commands]
    read = {part for stage in learning(facts) for part in reads(stage)}
    sources = ["images", "image-level labels", *["saliency maps"] * ("saliency" in read)]
    sources += ["pixel-level ground truth"] * ("ground_truth" in read)
    title = "weakly supervised semantic segmentation"
    return (
        f"# {' + '.join(methods) + ': ' if methods else ''}{title}\n\n"
        f"Learned from {listed(sources)}{' by ' + listed(methods) if methods else ''}. All numbers below are from the "
        "records of the run, which lie in `logs/`; what is missing was not recorded."
    )


def learning(facts: Facts) -> list[Stage]:
    """The stages on which weights and labels rest: all but those that measure."""
    return [stage for stage in facts.stages if not stage.command.startswith(("seg.evaluate", "report."))]


def reads(stage: Stage) -> list[str]:
    """The parts of the data set that a stage has read, such as "images" and "saliency"."""
    found = fields(stage.record["inputs"].get("data")).get("reads")
    return [str(part) for part in found] if isinstance(found, list) else []


def fields(value: object) -> dict[str, Any]:
    """A part of a record that should be a dictionary; an empty one if it is none."""
    return value if isinstance(value, dict) else {}


def weights(facts: Facts) -> str:
    """The table of weight files."""
    body = []
    for each in facts.weights:
        convention = each.arch.get("convention")
        kinds = [each.arch.get("network"), each.arch.get("backbone"), convention and f"{convention} convention"]
        network, reader = ", ".join(str(kind) for kind in kinds if kind), TRAININGS[each.stage.command]
        body.append([f"`{each.path}`", each.stage.command, reader, cell(network), megabytes(each.size), each.sha256])
    return (
        "## Weights\n\n"
        f"{markdown_table(['file', 'written by', 'read by', 'network', 'MB', 'SHA-256'], body)}\n"
        "Each file holds the tensors of the run's `weights.pth`, unchanged, and in its metadata, as `description`, the "
        "network's description with the class names, and the record of its training. The code's commands take it as "
        "`--weights` and `--init`, as they take a `weights.pth`."
    )


def use(facts: Facts) -> str:
    """How the files are checked and used."""
    said, lines = ["In this folder, with the code at the commit below on `PYTHONPATH`:"], ["sha256sum -c SHA256SUMS"]
    networks = [each for each in facts.weights if each.stage.command == "seg.train"]
    if networks:
        lines.append(f"python -m seg.predict --images photos --weights {networks[-1].path} --out predictions")
        if prediction := last_prediction(facts, networks[-1]):
            lines[-1] += "".join(f" \\\n    {option}" for option in options_of(prediction))
            said.append(
                f"The options are those of the run's `{prediction.folder}`. On the same machine with the same versions "
                "the file gives the same predictions as the run's own weights, byte for byte."
            )
    return "\n\n".join(["## Use", said[0], "```bash\n" + "\n".join(lines) + "\n```", *said[1:]])


def last_prediction(facts: Facts, network: Weights) -> Stage | None:
    """The run's last prediction with a network, or None."""
    own = f"/{network.stage.folder}/weights.pth"
    calls = [stage for stage in facts.stages if stage.command == "seg.predict" and stage.arguments.get("split")]
    return next((each for each in reversed(calls) if str(each.arguments.get("weights")).endswith(own)), None)


def options_of(prediction: Stage) -> list[str]:
    """The options of seg.predict that decide what it predicts, as "--name value"."""
    arguments = prediction.arguments
    crf = arguments.get("crf") is True
    names = ["pyramid", *(name for name in sorted(arguments) if crf and name.startswith("crf_"))]
    options = ["--crf"] * crf
    for name in names:
        value = arguments.get(name)
        if value is not None:
            values = value if isinstance(value, list) else [value]
            options.append(" ".join([f"--{name.replace('_', '-')}", *map(shell_word, values)]))
    return options


def scores(facts: Facts) -> str:
    """The table of scores; class maps have a row for each of two thresholds."""
    body = []
    for scored in facts.scored:
        for cut, found in cuts(scored.scores).items():
            kinds = [fields(found.get(kind)).get("mean_iou") for kind in ("simple", "complex")]
            numbers = [percent(number) for number in (found["mean_iou"], *kinds, found["ignored"])]
            images = scored.scores.get("images")
            body.append([cell(scored.title + said_of(cut, found)), cell(scored.split), cell(images), *numbers])
    if not body:
        return ""
    columns = ["", "split", "images", "mIoU %", "simple %", "complex %", "ignored %"]
    notes = ["The mIoU is over the pixels that are not ignored. Simple images have one class, complex ones more."]
    if any("(best here)" in row[0] for row in body):
        notes.append("Best here: of those tried, the threshold of the best mIoU on the very ground truth of this row.")
    fixed = [fields(scored.scores.get("fixed")).get("from") for scored in facts.scored]
    if any(fixed):
        given = listed(filter(None, fixed))
        notes.append(f"Fixed: a threshold that was not chosen on this ground truth, given by {given}.")
    return f"## Scores\n\n{markdown_table(columns, body)}\n{' '.join(notes)}"


def data(facts: Facts) -> str:
    """The data set, its classes, and the content of all that the trainings have read."""
    lines, body = [], []
    if names := [stage.arguments["data"] for stage in facts.stages if stage.arguments.get("data")]:
        lines.append(f"- data set: {listed(names)}")
    lines += [f"- `{cell(each.command)}`: {cell(each.record.get('summary'))}" for each in facts.origins]
    classes = next((each.arch["class_names"] for each in reversed(facts.weights) if each.arch.get("class_names")), None)
    if isinstance(classes, list):
        lines.append(f"- {len(classes)} classes and background: {', '.join(map(cell, classes))}")
    for stage in (each.stage for each in facts.weights):
        for name, found in stage.record["inputs"].items():
            parts = [stage.arguments.get("split"), ", ".join(reads(stage))] if name == "data" else ["", ""]
            row = [stage.folder, name, stage.arguments.get(name), *parts, fields(found).get("sha256")]
            body.append([cell(value) for value in row])
    columns = ["training", "input", "path", "split", "reads", "SHA-256 of its content"]
    return "## Data\n\n" + "\n".join(lines) + f"\n\n{markdown_table(columns, body)}"


def trainings(facts: Facts) -> str:
    """The arguments of the trainings, side by side, and what each said at its end."""
    stages = [each.stage for each in facts.weights]
    body = [["command", *(stage.command for stage in stages)]]
    for name in sorted({name for stage in stages for name in stage.arguments}):
        values = (cell(argument_text(stage.arguments[name])) if name in stage.arguments else "" for stage in stages)
        body.append([cell(name), *values])
    body.append(["*result*", *(cell(stage.record.get("summary")) for stage in stages)])
    return f"## Trainings\n\n{markdown_table(['argument', *(cell(stage.folder) for stage in stages)], body)}"


def course(facts: Facts) -> str:
    """The run's stages with their times, on which machine and with which versions they ran."""
    stages, versions = facts.stages, [fields(stage.record.get("versions")) for stage in facts.stages]
    body = [
        [cell(stage.folder), cell(stage.command), duration(stage.seconds), cell(short_commit(commit_of(stage) or "–"))]
        for stage in stages
    ]
    end = max(str(stage.record["finished"]) for stage in stages)
    lines = [f"- from {cell(stages[0].record['started'])} to {cell(end)}, interruptions included"]
    if machines := [stage.record["machine"] for stage in stages if stage.record.get("machine")]:
        lines.append(f"- machine: {listed(machines)}")
    for name in dict.fromkeys(name for found in versions for name in found):
        lines.append(f"- {cell(name)}: {listed(found[name] for found in versions if name in found)}")
    if any(row[-1].endswith("-dirty") for row in body):
        lines.append("- -dirty: the code had changes that this commit does not hold")
    columns = ["folder", "command", "time", "commit"]
    return f"## The run\n\n{markdown_table(columns, body)}\n" + "\n".join(lines)


def labels(facts: Facts) -> str:
    """The table of archives of labels."""
    if not facts.labels:
        return ""
    body = []
    for each in facts.labels:
        split = cell(each.stage.arguments.get("split"))
        body.append([f"`{each.path}`", cell(each.stage.command), split, str(each.count), megabytes(each.size)])
    return (
        f"## Labels\n\n{markdown_table(['archive', 'written by', 'split', 'files', 'MB'], body)}\n"
        "Indexed PNG, `<id>.png`: 0 background, 1 to C the classes in their order, 255 ignored."
    )


def licence(facts: Facts) -> str:
    """Whose terms hold, as far as the records know."""
    commands = {stage.command for stage in facts.origins}
    lines = ["The code is under the MIT licence."]
    if "data.prepare_toy" in commands:
        lines.append(OWN)
    else:
        lines.append(VOC if "data.prepare_voc12" in commands else UNKNOWN)
        if any("saliency" in reads(stage) for stage in learning(facts)):
            lines.append("Those of the saliency maps are in none either.")
    begun = [each.stage.arguments["init"] for each in facts.weights if each.stage.arguments.get("init")]
    if begun and "weights.pretrain_toy" not in commands:
        lines.append(f"Trainings began with {listed(begun)}, whose terms are in no record: unknown here.")
    return "## Licence\n\n" + " ".join(lines)


def citation(facts: Facts) -> str:
    """The papers of the methods that the run used."""
    commands = {stage.command for stage in facts.stages}
    papers = [f"- {paper}" for command, (_, paper) in METHODS.items() if command in commands]
    return "## Citation\n\n" + "\n".join(papers) if papers else ""
