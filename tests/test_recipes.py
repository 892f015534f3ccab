"""The recipes and what lies between them: every file of the experiments is read by the command line that uses it."""

import shutil

import pytest
import yaml

from tests.experiment_files import EXPERIMENTS, RECIPES, STAGES, archives, plan, recipe, settings

SWITCHES = sorted((EXPERIMENTS / "table_4_4" / "switches").glob("*.yaml"))
PRESETS = ("quick", "thesis")

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="no make on this machine")


def row(kind):
    return f"resnet26-pretrained-{kind}-seed0"


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """Every ``fit`` of the three kinds of rows, by preset and run: the words after ``fit``."""
    rows = " ".join(map(row, ("thesis", "modern", SWITCHES[-1].name.partition("_")[0])))
    folder = tmp_path_factory.mktemp("plan")
    found = {}
    for preset in PRESETS:
        lines = plan("table-4.4", f"PRESET={preset}", f"ROWS={rows}", data=archives(folder), runs=folder / "runs")
        found[preset] = {words[words.index("--name") + 1]: words[1:] for words in lines if words[0] == "fit"}
    return found


@pytest.fixture(scope="module")
def parsed(planned):
    """Settings of planned runs, each read once."""
    known = {}

    def read(preset, name):
        if (preset, name) not in known:
            known[preset, name] = settings(planned[preset][name])
        return known[preset, name]

    return read


def without_names(config):
    """Settings without what names runs and files of weights."""
    model = dict(config["model"]["init_args"])
    for start in ("init_sketch", "init_photo", "init_from"):
        model.pop(start, None)
    return {**config, "name": None, "model": {**config["model"], "init_args": model}}


def difference(one, other, place=""):
    """Settings in which two configurations differ, by place."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        return [line for key in keys for line in difference(one.get(key), other.get(key), f"{place}.{key}")]
    return [] if one == other else [f"{place}: {one} | {other}"]


@pytest.mark.parametrize("stage", ["stage2", "stage3"])
@pytest.mark.parametrize("preset", PRESETS)
def test_all_switches_make_the_modern_recipe_of_the_published_one(preset, stage, parsed):
    last = SWITCHES[-1].name.partition("_")[0]
    switched, modern, published = (
        without_names(parsed(preset, f"{row(kind)}/{stage}")) for kind in (last, "modern", "thesis")
    )
    assert difference(switched, modern) == []
    assert len(difference(published, modern)) > 10


@pytest.mark.parametrize("preset", PRESETS)
def test_every_run_of_the_table_is_read(preset, planned, parsed):
    for name, words in planned[preset].items():
        config, wanted = (
            parsed(preset, name),
            yaml.safe_load((EXPERIMENTS / "table_4_4" / f"{preset}.yaml").read_text()),
        )
        assert config["name"] == name
        assert config["data"]["init_args"]["size"] == wanted["data"]["init_args"]["size"]
        assert config["model"]["init_args"]["backbone"] == "resnet26"
        kind = {"stage2": "ContrastiveTask", "stage3": "TripletTask"}.get(name.rpartition("/")[2], "ClassificationTask")
        assert config["model"]["class_path"].endswith(kind)
        assert words[-2:] == ["--ckpt_path", "last"]  # the same line starts and continues a run


def test_stages_do_not_stay_what_the_preset_says_of_another(parsed):
    """Epochs and, published, where the weights of stage 3 count on from."""
    for preset, epochs in (("quick", (4, 2)), ("thesis", (35, 10))):
        two, three = (parsed(preset, f"{row('thesis')}/{stage}") for stage in ("stage2", "stage3"))
        assert (two["trainer"]["max_epochs"], three["trainer"]["max_epochs"]) == epochs
        firsts = [each["model"]["init_args"]["weights"]["init_args"]["first_epoch"] for each in (two, three)]
        assert firsts == [0, epochs[0]]


def test_no_file_is_left_over(planned):
    """Each file in the folders of recipes and of the table is part of a run."""
    used = {word for runs in planned.values() for words in runs.values() for word in words if word.endswith(".yaml")}
    folders = [EXPERIMENTS / "recipes", EXPERIMENTS / "table_4_4", EXPERIMENTS / "table_4_4" / "switches"]
    files = {str(path.relative_to(EXPERIMENTS.parent)) for folder in folders for path in folder.glob("*.yaml")}
    assert files
    definitions = {f"experiments/table_4_4/{name}.yaml" for name in ("table", "ablation")}  # of tables, see results
    assert files - used == {"experiments/recipes/demo.yaml", *definitions}  # the demo's is in test_makefile


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_read_with_the_defaults_of_data(name, stage):
    """As a reader lays them over a data set of one's own."""
    folders = [
        "--data.init_args.sketches.init_args.root",
        "sketches",
        "--data.init_args.photos.init_args.root",
        "photos",
    ]
    data = ["--data", "SketchPhotoData", "--data.init_args.sketches", "Folder", "--data.init_args.photos", "Folder"]
    config = settings([*data, *folders, *recipe(name, stage)])
    said = yaml.safe_load((EXPERIMENTS / "recipes" / f"{name}_{stage}.yaml").read_text())
    for part, values in said["model"]["init_args"].items():
        found = config["model"]["init_args"][part]
        if isinstance(values, dict):
            assert found["init_args"].items() >= values["init_args"].items()
            assert found["class_path"].rpartition(".")[2] == values["class_path"].rpartition(".")[2]
        else:
            assert found == values


def test_a_switch_says_what_it_is_for_and_changes_something():
    for path in SWITCHES:
        text = path.read_text()
        assert len(text.splitlines()) <= 12, path.name
        assert yaml.safe_load(text), path.name
    numbers = [path.name.partition("_")[0] for path in SWITCHES]
    assert sorted(set(numbers)) == [f"{n:02}" for n in range(1, len(set(numbers)) + 1)]
