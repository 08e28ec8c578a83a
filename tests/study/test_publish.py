"""A published study says what the original says, is small, and never replaces another."""

import json
import shutil

import numpy as np
import polars as pl
import pytest
from cases import one_line_error, tiny
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from vral.claims import examine
from vral.cli.main import main
from vral.errors import FolderError
from vral.study import frames, publish
from vral.study.experiments import EXPERIMENTS
from vral.study.folders import folder_name, read_run, write_json
from vral.study.machine import Execution
from vral.study.measured import Measured, Row, read_table, write_tables
from vral.study.run import execute

CPU = Execution(device="cpu")
SETTINGS = {"dataset": "ring", "width": 4, "batch": 8, "ratio": "50", "probe_every": 10}
SETTINGS |= {"record_every": 5, "probe": "interpolation", "seeds": tuple(range(5))}
ROUNDS = 20


def configs():
    return [tiny(method, **SETTINGS, rounds=ROUNDS) for method in ("lsgan", "vral-meta")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study of two finished runs, with parts of every kind."""
    root = tmp_path_factory.mktemp("study")
    for config in configs():
        execute(config, root / folder_name(config), CPU)
    write_json(root / "study.json", {"experiment": "interpolation", "commands": ["reproduce x"]})
    return root


@pytest.fixture(scope="module")
def copy(whole, tmp_path_factory):
    target = tmp_path_factory.mktemp("published") / "interpolation-ring"
    copying = publish.plan(whole, target, "ring")
    publish.publish(copying)
    return target


def content(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_the_copy_has_the_final_values_and_the_readings_of_probes_exactly(whole, copy):
    assert_frame_equal(frames.final(copy), frames.final(whole), check_column_order=False)
    probes = frames.read(whole, "probes")
    scalar = [name for name, dtype in probes.schema.items() if not dtype.is_nested()]
    assert_frame_equal(frames.read(copy, "probes").select(scalar), probes.select(scalar))
    between = frames.read(whole, "interpolation")
    assert_frame_equal(frames.read(copy, "interpolation"), between)
    place = ("lsgan", "50", "ring")
    first, second = (frames.last_samples(root, *place) for root in (whole, copy))
    np.testing.assert_array_equal(first, second)


def test_final_values_are_not_those_of_the_thinned_records(whole, copy):
    """They would differ, so the test above can fail."""
    records, probes = (frames.read(copy, kind) for kind in ("records", "probes"))
    made = frames.marked(frames.final_values(records, probes), [])["grad_norm_fake"]
    assert not np.allclose(made, frames.final(whole)["grad_norm_fake"], rtol=1e-3)


def test_records_are_spread_evenly_and_end_with_the_last(whole, copy):
    key = ["method", "seed", "d_updates"]
    every, kept = (frames.read(root, "records").sort(key) for root in (whole, copy))
    assert_frame_equal(kept, every.join(kept, on=key, how="semi"), check_column_order=False)
    for _, rows in kept.group_by("method", "seed"):
        assert len(rows) <= publish.POINTS
        assert rows["d_updates"].to_list() == list(range(10, 50 * ROUNDS + 1, 10))


def test_scores_one_by_one_are_those_of_the_last_probe(whole, copy):
    every, kept = (frames.read(root, "probes") for root in (whole, copy))
    last = pl.col("round") == pl.col("round").max()
    assert kept.filter(~last)["scores_fake"].is_null().all()
    for first, second in zip(
        every.filter(last)["scores_fake"], kept.filter(last)["scores_fake"], strict=True
    ):
        np.testing.assert_allclose(first, second, rtol=1e-6)


def test_the_copy_is_judged_as_the_study_is(whole, copy, tmp_path):
    def judged(root, experiment):
        marker = {"experiment": experiment, "commands": []}
        write_json(root / "study.json", marker)
        verdicts, still_open = examine([root])
        return [
            *((v.claim.id, v.effect, v.low, v.high, v.p, v.verdict, v.settings) for v in verdicts),
            *((e.claim.id, e.reason) for e in still_open),
        ]

    roots = [
        shutil.copytree(root, tmp_path / name) for name, root in (("whole", whole), ("copy", copy))
    ]
    for experiment in ("interpolation", "ratios", "deck", "lipschitz"):
        first, second = (judged(root, experiment) for root in roots)
        assert str(first) == str(second)  # NaN is not equal to itself.
    assert any(entry[0].startswith("C4.vral-meta") for entry in judged(roots[1], "ratios"))


def test_publishing_again_changes_nothing_and_more_runs_are_added(whole, copy, tmp_path):
    before = content(copy)
    publish.publish(publish.plan(whole, copy, "ring"))
    assert content(copy) == before
    part, both = tmp_path / "part", tmp_path / "both"
    for config in configs():
        here = part / config.method
        shutil.copytree(whole / folder_name(config), here / folder_name(config))
        shutil.copy(whole / "study.json", here)
        publish.publish(publish.plan(here, both, "ring"))
    assert content(both) == before


def test_what_was_cut_short_is_published_by_the_same_call(whole, copy, tmp_path):
    """A run's run.json is written last: without it a folder holds parts and no run."""
    cut = shutil.copytree(copy, tmp_path / "cut")
    (cut / folder_name(configs()[0]) / "run.json").unlink()
    assert [report["config"]["method"] for _, report in frames.runs(cut)] == ["vral-meta"]
    publish.publish(publish.plan(whole, cut, "ring"))
    assert content(cut) == content(copy)


def test_a_copy_published_onto_itself_is_not_written_again(copy, monkeypatch):
    """Half of it, were that cut short, would be all that is left."""
    before = content(copy)
    monkeypatch.setattr(publish, "_copy_run", None)
    publish.publish(publish.plan(copy, copy, "ring"))
    assert content(copy) == before


def test_a_study_and_its_copy_do_not_lie_in_each_other(whole):
    before = content(whole)
    for target in (whole / "ratios-ring", whole / "a/b", whole.parent):
        with pytest.raises(FolderError, match="lie in each other; allowed: a folder beside it"):
            publish.publish(publish.plan(whole, target, "ring"))
    assert content(whole) == before


def test_another_run_of_the_same_name_is_refused_and_nothing_is_written(whole, copy, tmp_path):
    other = shutil.copytree(whole, tmp_path / "other")
    folder = other / folder_name(configs()[1])
    report = read_run(folder)
    write_json(folder / "run.json", report | {"seconds": report["seconds"] + 1})
    before = content(copy)
    with pytest.raises(FolderError, match="another run of that name"):
        publish.publish(publish.plan(other, copy, "ring"))
    assert content(copy) == before


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"seeds": (3, 4, 5)}, "the same seeds: 3, 4"), ({"seeds": (5, 6), "lr": 0.1}, "lr")],
)
def test_runs_of_one_cell_do_not_mix(whole, copy, tmp_path, changed, said):
    config = configs()[0].model_copy(update=changed)
    folder = tmp_path / "study" / folder_name(config)
    shutil.copytree(whole / folder_name(configs()[0]), folder)
    report = read_run(folder) | {"config": config.model_dump(mode="json")}
    write_json(folder / "run.json", report)
    shutil.copy(whole / "study.json", tmp_path / "study")
    before = content(copy)
    with pytest.raises(FolderError, match=said):
        publish.publish(publish.plan(tmp_path / "study", copy, "ring"))
    assert content(copy) == before


def test_runs_that_two_measures_have_judged_do_not_mix(whole, copy, tmp_path):
    """Such as two classifiers: their Fréchet distances do not compare."""
    one = tmp_path / "one"
    shutil.copytree(copy, one)
    (folder, report), (other, second) = frames.runs(one)
    write_json(folder / "run.json", report | {"quality": {"frechet_floor": 2.92}})
    shutil.rmtree(other)
    to = tmp_path / "to"
    publish.publish(publish.plan(one, to, "ring"))
    (one / other.relative_to(one)).parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(copy / other.relative_to(one), other)
    for floor, fits in ((2.75, False), (2.9201, True)):
        write_json(other / "run.json", second | {"quality": {"frechet_floor": floor}})
        if fits:
            publish.publish(publish.plan(one, to, "ring"))
            continue
        with pytest.raises(FolderError, match=r"another classifier, whose .* is 2.75, not 2.92"):
            publish.plan(one, to, "ring")


def test_a_damaged_run_is_refused_before_anything_is_written(copy, tmp_path):
    damaged = shutil.copytree(copy, tmp_path / "damaged")
    part = next(damaged.rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    with pytest.raises(FolderError, match=part.name):
        publish.plan(damaged, tmp_path / "to", "ring")
    assert not (tmp_path / "to").exists()


def test_a_run_that_diverged_before_its_first_probe_keeps_its_readings(whole, tmp_path):
    study = shutil.copytree(whole, tmp_path / "study")
    folder = study / folder_name(configs()[0])
    report = read_run(folder)
    report["manifest"] = {k: v for k, v in report["manifest"].items() if "records/" in k}
    write_json(folder / "run.json", report)
    publish.publish(publish.plan(study, tmp_path / "to", "ring"))
    assert_frame_equal(frames.final(tmp_path / "to"), frames.final(study), check_column_order=False)
    lost = frames.final(study).filter(pl.col("method") == "lsgan")
    assert lost["grad_norm_fake"].is_not_null().all()
    assert lost["auc"].is_null().all()


def test_a_run_that_has_not_ended_is_left_out_and_named(whole, tmp_path):
    study = shutil.copytree(whole, tmp_path / "study")
    folder = study / folder_name(configs()[0])
    report = read_run(folder) | {"status": "running"}
    write_json(folder / "run.json", report)
    elsewhere = folder_name(configs()[0].model_copy(update={"dataset": "grid"}))
    (study / elsewhere).mkdir(parents=True)
    report["config"]["dataset"] = "grid"  # of which no run has ended
    write_json(study / elsewhere / "run.json", report)
    to = tmp_path / "to"
    done = CliRunner().invoke(main, ["publish", str(study), "--to", str(to)], env={"COLUMNS": "80"})
    for path in (folder, study / elsewhere):
        assert f"left out, since it has not ended: {path}\n" in done.stderr + done.stdout
    assert [path.name for path in to.iterdir()] == ["interpolation-ring"]
    assert [report["config"]["method"] for _, report in frames.runs(to / "interpolation-ring")] == [
        "vral-meta"
    ]


def test_a_study_and_a_link_to_it_are_published_once(whole, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(whole)
    call = ["publish", str(whole), str(link), "--to", str(tmp_path / "to")]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 0
    assert done.output.count("→") == 1


@pytest.mark.parametrize("to", ["to", "", "  "])
def test_a_folder_that_is_not_there_beside_a_study_and_no_folder_to_write_to_are_refused(
    whole, tmp_path, monkeypatch, to
):
    monkeypatch.chdir(tmp_path)
    studies = [str(whole), *(["no such"] if to.strip() else [])]
    refused = CliRunner().invoke(main, ["publish", *studies, "--to", to])
    said = f"--to: '{to}' given; allowed: a path"
    if to.strip():
        said = "STUDY: no such given, which does not exist"
    assert said in one_line_error(refused)
    assert not list(tmp_path.iterdir())


def test_a_published_run_counts_as_done_and_cannot_be_prolonged(copy, tmp_path):
    study = shutil.copytree(copy, tmp_path / "study")
    config = configs()[0]
    folder, before = study / folder_name(config), content(study)
    assert execute(config, folder, CPU)["rounds_done"] == ROUNDS
    with pytest.raises(FolderError, match="no checkpoint"):
        execute(config.model_copy(update={"rounds": ROUNDS + 1}), folder, CPU)
    lock = folder.relative_to(study) / ".lock"
    assert {name: text for name, text in content(study).items() if name != lock} == before


def test_the_command_writes_tables_and_figures_and_names_what_it_cannot_do(whole, tmp_path):
    def call(*arguments):
        return CliRunner().invoke(main, [str(a) for a in arguments], env={"COLUMNS": "200"})

    done = call("publish", whole, "--to", tmp_path / "to")
    assert done.exit_code == 0, done.output
    target = tmp_path / "to/interpolation-ring"
    final = pl.read_csv(target / "final.csv")
    assert final.filter(pl.col("method") == "lsgan")["seed"].to_list() == [0, 1, 2, 3, 4]
    assert (target / "summary.csv").exists()
    assert (target / "interpolation.png").read_bytes().startswith(b"\x89PNG")
    size = sum(len(data) for name, data in content(target).items() if name.suffix != ".png")
    assert size < 0.5 * sum(map(len, content(whole).values()))
    (tmp_path / "to/mine/interpolation-ring").mkdir(parents=True)
    (tmp_path / "to/mine/interpolation-ring/notes.txt").touch()
    refused = call("publish", whole, "--to", tmp_path / "to/mine")
    assert refused.exit_code == 2
    assert "--to" in one_line_error(refused)


def test_nothing_is_written_where_one_of_several_studies_is_refused(whole, tmp_path):
    """The second fits to what there is, but not to the first, which would come before it."""
    other = shutil.copytree(whole, tmp_path / "other")
    folder = other / folder_name(configs()[1])
    report = read_run(folder)
    write_json(folder / "run.json", report | {"seconds": report["seconds"] + 1})
    call = ["publish", str(whole), str(other), "--to", str(tmp_path / "to")]
    refused = CliRunner().invoke(main, call)
    assert "another run of that name" in one_line_error(refused)
    assert not (tmp_path / "to").exists()


def test_the_command_names_the_cells_that_the_copy_lacks(whole, tmp_path):
    to = tmp_path / "to"
    done = CliRunner().invoke(main, ["publish", str(whole), "--to", str(to)], env={"COLUMNS": "80"})
    lacking = next(line for line in done.output.splitlines() if line.startswith("not there yet"))
    names = {arm.name for arm in EXPERIMENTS["interpolation"].arms} - {"lsgan", "vral-meta"}
    assert lacking.startswith(f"not there yet: {len(names)} cells of the experiment: ")
    assert set(lacking.rpartition(": ")[2].split(", ")) == {f"{name} at 50" for name in names}


def test_a_study_without_runs_keeps_its_tables(tmp_path):
    root, to = tmp_path / "study", tmp_path / "to"
    root.mkdir()
    write_json(root / "study.json", {"experiment": "dirac", "commands": ["reproduce dirac"]})
    measured = Measured([Row("case", "what", 1.0)])
    write_tables(root, {"measured.csv": measured.frame()})
    publish.publish_measured(root, to)
    assert_frame_equal(read_table(to, "measured.csv"), read_table(root, "measured.csv"))
    assert json.loads((to / "study.json").read_text())["experiment"] == "dirac"
    write_tables(root, {"measured.csv": Measured([Row("case", "what", 2.0)]).frame()})
    with pytest.raises(FolderError, match="holds another"):
        publish.publish_measured(root, to)
    assert read_table(to, "measured.csv")["measured"].to_list() == [1.0]


@pytest.fixture
def without_runs(tmp_path):
    """Writes a study without runs, whose one number is ``value``, made with ``commit``."""

    def write(name, value, commit):
        root = tmp_path / name
        root.mkdir()
        write_json(root / "study.json", {"experiment": "dirac", "commands": ["reproduce dirac"]})
        write_tables(root, {"measured.csv": Measured([Row("case", "what", value)]).frame()})
        write_json(root / "provenance.json", {"provenance": [{"commit": commit}]})
        return root

    return write


def test_where_the_same_numbers_are_from_is_joined(without_runs, tmp_path):
    for name in ("a", "b", "a"):
        root = tmp_path / name if (tmp_path / name).exists() else without_runs(name, 1.0, name)
        publish.publish_measured(root, tmp_path / "to")
    said = json.loads((tmp_path / "to/provenance.json").read_text())["provenance"]
    assert said == [{"commit": "a"}, {"commit": "b"}]


def test_a_corrupt_or_missing_table_is_refused_and_nothing_is_written(without_runs, tmp_path):
    root = without_runs("study", 1.0, "a")
    whole = (root / "measured.csv").read_text()
    for text in (whole.replace("1.0", "7.0"), None):
        (root / "measured.csv").unlink()
        if text is not None:
            (root / "measured.csv").write_text(text)
        with pytest.raises(FolderError, match=r"measured\.csv"):
            publish.publish_measured(root, tmp_path / "to")
        assert not (tmp_path / "to").exists()


def test_two_studies_without_seeds_that_would_become_one_are_refused(without_runs, tmp_path):
    roots = [str(without_runs(name, value, name)) for name, value in (("a", 1.0), ("b", 2.0))]
    refused = CliRunner().invoke(main, ["publish", *roots, "--to", str(tmp_path / "to")])
    assert f"{roots[0]} and {roots[1]} would both become" in one_line_error(refused)
    assert not (tmp_path / "to").exists()


def test_a_damaged_copy_is_refused_before_anything_is_added(whole, copy, tmp_path):
    damaged = shutil.copytree(copy, tmp_path / "copy")
    shutil.rmtree(damaged / folder_name(configs()[0]))
    part = next((damaged / folder_name(configs()[1])).rglob("*.parquet"))
    part.write_bytes(part.read_bytes()[:-1])
    before = content(damaged)
    with pytest.raises(FolderError, match=part.name):
        publish.plan(whole, damaged, "ring")
    assert content(damaged) == before


def test_a_study_and_its_copy_are_not_judged_twice(whole, copy):
    with pytest.raises(FolderError, match="hold the same run; allowed: a study, or its copy"):
        examine([whole, copy])
    assert len(examine([whole])[0]) == len(examine([copy])[0])


def test_a_study_without_a_run_that_has_ended_is_refused_and_nothing_is_written(tmp_path):
    root = tmp_path / "study"
    root.mkdir()
    write_json(root / "study.json", {"experiment": "interpolation", "commands": ["reproduce x"]})
    for _ in ("no run", "one that is still running"):
        result = CliRunner().invoke(main, ["publish", str(root), "--to", str(tmp_path / "to")])
        assert "holds no run that has ended" in one_line_error(result)
        assert not (tmp_path / "to").exists()
        folder = root / folder_name(configs()[0])
        execute(configs()[0], folder, CPU)
        write_json(folder / "run.json", read_run(folder) | {"status": "running"})
