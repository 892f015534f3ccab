"""The house's rules, read from the syntax trees: who may import whom or what, and how long a file may be."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "hybrid_sbir"
FILES = sorted(PACKAGE.rglob("*.py"))

# room -> rooms it may import (itself always). A room is a module or folder right below the package.
ROOMS = {
    "__init__": set(),
    "__main__": {"cli"},
    "batch": set(),
    "durable": set(),
    "folder_lock": set(),
    "losses": set(),
    "metrics": set(),
    "results": {"durable", "metrics", "retrieval"},
    "figures": {"results", "durable", "metrics", "retrieval"},
    "ops": set(),
    "models": {"ops", "durable"},
    "complexity": {"models"},
    "bench": {"ops", "models", "complexity", "durable"},
    "data": {"batch", "durable"},
    "checkpoint_io": {"durable"},
    "callbacks": {"durable"},
    "dashboards": {"durable"},
    "retrieval": set(),
    "tasks": {"batch", "losses", "metrics", "models", "checkpoint_io", "retrieval"},
    "encoding": {"ops", "models", "data", "durable", "checkpoint_io", "retrieval", "tasks"},  # tasks: its checkpoints
    "attention": {"models", "data", "durable", "encoding"},
    "search": {"attention", "data", "durable", "encoding", "folder_lock", "metrics", "retrieval"},
    "serving": {"attention", "data", "durable", "encoding", "search"},
    "cli": {"callbacks", "checkpoint_io", "data", "tasks", "durable", "folder_lock"},
    "planning": {"callbacks", "cli", "results"},
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "hybrid_sbir":
            inner = (node.module or "").split(".")[1:]
            names |= {inner[0]} if inner else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("hybrid_sbir.")}
    return names - {"__version__"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    assert room(path) in ROOMS, f"a new room '{room(path)}': say in ROOMS what it may import, and show it in the README"
    allowed = ROOMS[room(path)] | {room(path)}
    foreign = imported_rooms(ast.parse(path.read_text())) - allowed
    assert not foreign, f"{path.name} imports {sorted(foreign)}; {room(path)} may import {sorted(allowed)}"


def test_the_rooms_have_no_circle():
    done: set[str] = set()
    while left := {name for name in ROOMS if name not in done}:
        ready = {name for name in left if ROOMS[name] <= done}
        assert ready, f"these rooms import one another: {sorted(left)}"
        done |= ready


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_is_documented_and_short(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), f"{path.name} does not say what it is"
    assert len(text.splitlines()) <= 250, f"{path.name} has {len(text.splitlines())} lines: which noun is missing?"


def test_no_room_is_called_utils():
    shapeless = {"utils", "util", "common", "helpers", "misc", "core", "lib"}
    assert not [path for path in FILES if {path.stem, *path.relative_to(PACKAGE).parts} & shapeless]


@pytest.mark.parametrize(
    ("word", "allowed"),
    [
        ("cupy", ("ops/kernels",)),
        ("wandb", ("callbacks",)),
        ("wandb_workspaces", ("dashboards",)),
        ("matplotlib", ("figures", "attention")),
        ("lightning", ("data", "tasks", "callbacks", "cli", "checkpoint_io", "search/building")),
    ],
)
def test_a_library_is_imported_in_its_rooms_only(word, allowed):
    for path in FILES:
        place = path.relative_to(PACKAGE).as_posix()
        imports = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Import | ast.ImportFrom)]
        named = {getattr(n, "module", None) or n.names[0].name for n in imports}
        assert place.startswith(allowed) or not any(n.split(".")[0] == word for n in named), f"{place} imports {word}"
