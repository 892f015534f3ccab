"""The notebooks run from their first cell to the last, leave nothing behind, and hold no logic of their own."""

import ast
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("*.py"))
TRAINS = {"quickstart", "attention", "own_sketches_and_photos"}  # half a minute to a minute each on two free cores
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While, ast.If, ast.Try)
ABSOLUTE = re.compile(r"(?<![\w.}>)\]/~])(?:~?/|[A-Z]:\\)\w")

by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@by_name
def test_a_notebook_calls_the_package_and_decides_nothing(path):
    text = path.read_text()
    found = [type(node).__name__ for node in ast.walk(ast.parse(text)) if isinstance(node, LOGIC)]
    assert not found, f"{path.name} holds {', '.join(found)}: what decides or repeats belongs into the package"
    assert not (places := ABSOLUTE.findall(text)), f"{path.name} names places of one machine: {places}"
    assert "http://" not in text
    assert "https://" not in text  # nothing is fetched


@by_name
def test_a_notebook_is_percent_source_without_outputs(path):
    jupytext = pytest.importorskip("jupytext")
    notebook = jupytext.read(path)
    assert notebook.metadata.jupytext.text_representation.format_name == "percent"
    assert notebook.cells[0].cell_type == "markdown"
    assert notebook.cells[0].source.startswith("# ")
    assert sum(cell.cell_type == "code" for cell in notebook.cells) >= 4
    assert not list(path.parent.glob("*.ipynb")), "notebooks are committed as .py only"


def test_each_notebook_is_named_in_the_readme():
    readme = (REPOSITORY / "notebooks" / "README.md").read_text()
    assert [path.name for path in NOTEBOOKS if f"`{path.name}`" not in readme] == []


def pictures(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] if path.stem in TRAINS else [], id=path.stem) for path in NOTEBOOKS],
)
def test_a_notebook_runs_to_its_end_and_leaves_nothing(path, tmp_path, monkeypatch):
    jupytext = pytest.importorskip("jupytext")
    nbclient = pytest.importorskip("nbclient")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (tmp_path / "experiments").symlink_to(REPOSITORY / "experiments")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))  # the kernel inherits it
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    before = sorted((REPOSITORY / "experiments").rglob("*"))
    notebook = jupytext.read(path)
    nbclient.NotebookClient(notebook, timeout=280, resources={"metadata": {"path": str(folder)}}).execute()
    assert pictures(notebook) >= 1
    assert list(folder.iterdir()) == []
    assert sorted((REPOSITORY / "experiments").rglob("*")) == before


def test_the_search_for_absolute_paths_finds_them_and_not_the_others():
    for text in ('Path("/home/me")', "x = '~/data'", "--runs /tmp/runs", r"C:\data"):
        assert ABSOLUTE.search(text), text
    for text in ("../experiments/base", "{work}/packed", "and/or", "runs/table-4.1", "3 / 4"):
        assert not ABSOLUTE.search(text), text
