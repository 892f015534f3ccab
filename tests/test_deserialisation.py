"""Nothing in the package reads a file in a way that could run what is in it: read from the syntax trees."""

import ast

import pytest

from tests.test_architecture import FILES, PACKAGE

# Of the trainer's own `--weights_only`, which may be set to false for a checkpoint that one trusts.
CHOSEN_BY_THE_USER = {"checkpoint_io.py"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
UNSAFE_CALLS = {"yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "torch.jit.load", "eval", "exec"}


def problems(text, name="file.py"):
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            call = ast.unparse(node.func)
            keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if call == "torch.load":
                safe = keywords.get("weights_only")
                if safe != "True" and not (safe == "weights_only" and name in CHOSEN_BY_THE_USER):
                    found.append(f"line {node.lineno}: torch.load without weights_only=True")
            reads_arrays = call.endswith((".load", ".read_array")) and call.split(".")[0] in ("np", "numpy")
            if reads_arrays and keywords.get("allow_pickle") != "False":
                found.append(f"line {node.lineno}: {call} without allow_pickle=False")
            if call in UNSAFE_CALLS:
                found.append(f"line {node.lineno}: {call}")
            if call.split(".")[0] in UNSAFE_MODULES:
                found.append(f"line {node.lineno}: {call}")
        if isinstance(node, ast.ImportFrom) and node.module in UNSAFE_MODULES:
            found.append(f"line {node.lineno}: from {node.module}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_read_can_run(path):
    assert not problems(path.read_text(), path.name)


@pytest.mark.parametrize(
    "line",
    [
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=weights_only)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "np.lib.format.read_array(file)",
        "pickle.loads(content)",
        "from pickle import loads",
        "yaml.load(text, Loader)",
        "eval(text)",
    ],
)
def test_what_could_run_is_found(line):
    assert problems(line)


def test_what_cannot_run_passes():
    assert not problems("torch.load(p, weights_only=True)\nnp.load(p, allow_pickle=False)\nmodel.eval()\njson.load(f)")
