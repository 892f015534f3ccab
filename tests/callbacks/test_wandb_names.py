"""What runs and their artifacts are called in W&B, and their flat configurations."""

import itertools
from pathlib import Path

import pytest

from hybrid_sbir.callbacks.wandb_files import artifact_name
from hybrid_sbir.callbacks.wandb_names import flat, name_run


def config(backbone="resnet26", activation="pre", kind="TUBerlin", **settings):
    return {
        "seed_everything": 7,
        "model": {"class_path": "x.ClassificationTask", "init_args": {"backbone": backbone, "activation": activation}},
        "data": {"class_path": f"x.{kind}", "init_args": settings},
    }


FOLDERS = """
runs/table-4.1/quick/resnet26-pre-seed0 | table-4.1 | resnet26-pre | resnet26-pre-seed0 | pre TUBerlin quick
runs/table-4.2/thesis/san10-post-seed12 | table-4.2 | san10-post | san10-post-seed12 | post TUBerlin thesis
a/table-4.4/quick/r-scratch-thesis-seed2/stage3 | table-4.4 | r-scratch-thesis | r-scratch-thesis-seed2/stage3 | \
pre TUBerlin quick thesis stage3
a/table-4.4/quick/r-scratch-03-seed2/stage2 | table-4.4 | r-scratch-03 | r-scratch-03-seed2/stage2 | \
pre TUBerlin quick 03 stage2
a/table-4.4/quick/stage1/r-scratch-photo | table-4.4 | r-scratch-photo | r-scratch-photo-seed7/stage1 | \
pre TUBerlin quick stage1
runs/mine | None | mine | mine-seed7 | pre TUBerlin
runs/mine-seed3 | None | mine | mine-seed3 | pre TUBerlin
demo/stage2 | demo | stage2 | stage2-seed7 | pre TUBerlin
"""


@pytest.mark.parametrize("line", FOLDERS.strip().splitlines(), ids=lambda line: line.split(" ")[0])
def test_a_folder_names_its_run(line):
    folder, group, row, name, tags = line.split(" | ")
    activation = "post" if "-post-" in folder else "pre"
    found = name_run(Path(folder), config(activation=activation))
    assert (str(found.group), found.job_type, found.name) == (group, row, name)
    assert " ".join(found.tags) == tags


def test_a_folder_speaks_without_a_configuration():
    found = name_run(Path("runs/table-4.3/quick/resnet26-post-seed4"), {}, ["more"])
    assert (found.group, found.name, found.tags) == ("table-4.3", "resnet26-post-seed4", ("post", "quick", "more"))


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"class_path": "a.Prepared", "init_args": {"name": "flickr25k"}}, "flickr25k"),
        ({"class_path": "a.UnimodalData", "init_args": {"images": {"class_path": "b.QuickDraw"}}}, "QuickDraw"),
        (
            {"class_path": "S", "init_args": {"sketches": {"class_path": "T"}, "photos": {"class_path": "P"}}},
            "T+P",
        ),
        (None, None),
    ],
)
def test_data_is_called_what_it_is(data, name):
    assert name_run(Path("runs/a"), {"data": data}).facts.get("dataset") == name


def test_stages_of_ones_own_are_custom():
    assert name_run(Path("runs/a"), config(backbone=[{"kind": "san"}])).facts["backbone"] == "custom"


def test_no_setting_is_lost_when_flat():
    nested = {
        "a": 1,
        "b": {"class_path": "x.y.Z", "init_args": {"c": [1, 2], "d": {"class_path": "Q", "init_args": {}}}},
        "e": [{"class_path": "F", "init_args": {"g": None}}, {"h": {}}],
    }
    assert flat(nested) == {"a": 1, "b": "Z", "b/c": [1, 2], "b/d": "Q", "e/0": "F", "e/0/g": None, "e/1/h": {}}


def test_artifacts_of_two_runs_never_share_a_name():
    folders = [Path("runs/table-4.1") / p / f"{row}-seed{s}" for p, row, s in itertools.product("qt", "ab", (0, 1))]
    folders += [Path("runs/x"), Path("demo/x"), Path("runs/table-4.4/q/a-seed0/stage2")]
    folders += [Path("runs/\u00fc %"), Path("runs/\u00f6 $"), Path(f"runs/{'x' * 200}"), Path(f"runs/{'x' * 201}")]
    names = set()
    for folder in folders:
        named = name_run(folder)
        names.add(artifact_name(folder, named.group, named.facts.get("preset"), named.name))
    assert len(names) == len(folders)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-._") for name in names)
    assert max(map(len, names)) < 128 - len("results-")
    assert artifact_name(Path("t/a-seed0/stage2"), "table-4.4", "quick", "a/stage2") == "table-4.4-quick-a-stage2"
