"""The studies over seeds: which seeds, tables and toy data they are made of."""

from tests.wiring.scripts import calls_of, parsed

DATA = {  # of the study
    "objects_fewer": ["--extra-instance", "0"],
    "objects_more": ["--extra-instance", "1", "--max-classes", "4"],
    "non_salient_plain": ["--non-salient-blend", "0.8", "1"],
    "non_salient_faint": ["--non-salient-blend", "0.2", "0.5"],
    "saliency_exact": ["--saliency-missing", "0", "--saliency-noise", "0", "--saliency-leak", "0"],
    "saliency_poor": ["--saliency-missing", "1", "--saliency-noise", "1", "--saliency-leak", "0.5"],
}


def drawn(calls):
    """{folder: what data.prepare_toy is told of it}."""
    return {words[1]: words[2:] for module, words in calls if module == "data.prepare_toy"}


def seeds_of(calls):
    """{run folder: the seeds of its trainings}."""
    found = {}
    for module, arguments in calls:
        if module in ("cls.train", "cls.train_iam", "seg.train"):
            told = parsed(module, arguments)
            found.setdefault(told["data"].name, set()).add(told["seed"])
    return found


def test_ablation(tmp_path):
    """Table 3 and the others on data, initial weights and orders of one seed."""
    out = tmp_path / "ablation"
    (out / "seed4").mkdir(parents=True)
    (out / "seed4" / "fig5.png").touch()
    calls = calls_of(tmp_path, "ablation", 4, OUT=out)
    assert drawn(calls) == {str(out / "toy4"): ["--seed", "4"]}
    assert seeds_of(calls) == {"toy4": {4}}
    tables = {(words[1], words[3]) for module, words in calls if module.endswith(".table")}
    names = ("table3", "controls", "table4", "fig6", "fig7")
    assert tables == {(str(out / "seed4"), name) for name in names}


def test_toy_study(tmp_path):
    calls = calls_of(tmp_path, "toy_study", 2, OUT=tmp_path / "study")
    folder = tmp_path / "study"
    assert drawn(calls) == {str(folder / name / "toy2"): ["--seed", "2", *told] for name, told in DATA.items()}
    assert seeds_of(calls) == {"toy2": {2}}
    assert {words[3] for module, words in calls if module.endswith(".table")} == {"table3"}
