"""The verbs: a sentence about each, and where it is. Nothing here imports what a verb needs before it is called."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from inspect import signature
from itertools import takewhile, zip_longest
from pathlib import Path
from typing import Any, get_args, get_origin

_NUMBER = re.compile(r"-?[0-9.]+")
_YES_OR_NO = ("true", "false", "yes", "no")


@dataclass(frozen=True)
class Verb:
    """One verb.

    Attributes:
        summary: what it does, for the overview.
        target: ``module:function``, a typed function whose arguments become options; None for the trainer's verbs.
    """

    summary: str
    target: str | None = None

    def run(self, name: str, arguments: list[str]) -> None:
        """Run the verb with the words that follow it."""
        if self.target is None:
            from hybrid_sbir.cli.training import TrainingCLI

            TrainingCLI(name, arguments)
            return
        from jsonargparse import auto_cli

        function = self._function()
        words = _switched(_gather_options(arguments, function), function)
        words = _gather(words) if _takes_several(function) else words
        result = auto_cli(function, args=words, prog=f"hybrid-sbir {name}", exit_on_error=False)
        for line in result if isinstance(result, list) else []:
            print(line)

    def _function(self) -> Callable[..., Any]:
        module, _, function = (self.target or "").partition(":")
        return getattr(import_module(module), function)


def _takes_several(function: Callable[..., Any]) -> bool:
    """Whether the verb's first argument is a list, as of a report's runs."""
    first = next(iter(signature(function).parameters.values()))
    return get_origin(first.annotation) is list


def _gather(arguments: list[str]) -> list[str]:
    """Make one list of the words that belong to no option: ``report a b --out t`` names two runs, as one expects.

    Each option is one word, or has one word behind it: see :func:`_gather_options`. A lone ``-`` is no option.
    """
    several, options, rest = list[str](), list[str](), list(arguments)
    while rest:
        word = rest.pop(0)
        if not _is_option(word):
            several.append(word)
            continue
        options.append(word)
        if "=" not in word and word not in ("-h", "--help") and rest:
            options.append(rest.pop(0))
    if not several or several[0].startswith("["):
        return [*several, *options]
    return [json.dumps(several), *options]


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and not _NUMBER.fullmatch(word)


def _switched(arguments: list[str], function: Callable[..., Any]) -> list[str]:
    """Complete ``--mirror`` to ``--mirror true``: an option that is true or false may stand alone."""
    switches = {f"--{name}" for name, p in signature(function).parameters.items() if p.annotation is bool}
    words: list[str] = []
    for word, following in zip_longest(arguments, arguments[1:], fillvalue=""):
        words += [word, "true"] if word in switches and following.lower() not in _YES_OR_NO else [word]
    return words


def _gather_options(arguments: list[str], function: Callable[..., Any]) -> list[str]:
    """Make one list of the words behind an option that takes several: ``--at 12 40``, ``--blocks 3.1 4.1``."""
    lists = {
        f"--{name}": kind for name, p in signature(function).parameters.items() if (kind := _elements(p.annotation))
    }
    words, rest = [], list(arguments)
    while rest:
        words.append(rest.pop(0))
        several = list(takewhile(lambda word: not _is_option(word), rest))
        if words[-1] in lists and several and not several[0].startswith("["):
            text = lists[words[-1]] in (str, Path)
            words.append(json.dumps(several) if text else f"[{', '.join(several)}]")
            rest = rest[len(several) :]
    return words


def _elements(annotation: Any) -> type | None:
    """What a list or tuple holds, or one that may be None; None of anything else."""
    for kind in (annotation, *get_args(annotation)):
        if get_origin(kind) in (list, tuple):
            return get_args(kind)[0]
    return None


VERBS = {
    "fit": Verb("train a model, or continue a run (--ckpt_path last)"),
    "validate": Verb("score a run's best checkpoint on the validation data"),
    "test": Verb("score a run's best checkpoint on the test data"),
    "predict": Verb("write a run's predictions.npz or, of a retrieval, embeddings.npz"),
    "data prepare": Verb(
        "unpack and check an official archive, write manifest and splits",
        "hybrid_sbir.data.preparation.prepare:prepare",
    ),
    "data download": Verb(
        "fetch an official archive, with resume and checksum", "hybrid_sbir.data.downloads.download:download"
    ),
    "data draw": Verb(
        "draw photos or sketches of the embedded set into a folder", "hybrid_sbir.data.embedded.command:draw"
    ),
    "models": Verb("list the backbones with their parameters and MACs", "hybrid_sbir.complexity:models"),
    "bench": Verb("say which attention runs on each device and why, and time it", "hybrid_sbir.bench.overview:bench"),
    "bench ops": Verb(
        "measure operators and blocks beside the published layout", "hybrid_sbir.bench.operator_bench:ops"
    ),
    "bench models": Verb("measure backbones beside ResNet26", "hybrid_sbir.bench.model_bench:models"),
    "bench table": Verb("print measured backbones beside the thesis's numbers", "hybrid_sbir.bench.table:tabulate"),
    "convert": Verb("turn a published checkpoint into one of this package", "hybrid_sbir.models.weights:convert"),
    "rows": Verb("list a table's rows as commands for several machines", "hybrid_sbir.planning.rows:rows"),
    "plan": Verb("estimate what a table will cost here, from a few real steps", "hybrid_sbir.planning.plan:plan"),
    "report": Verb("print runs beside the thesis's numbers", "hybrid_sbir.results.report:report"),
    "keep": Verb("copy finished runs' results into the repository", "hybrid_sbir.results.keeping:keep"),
    "gallery": Verb("draw a page of predictions, or of photos found", "hybrid_sbir.results.gallery:gallery"),
    "attention": Verb(
        "draw what a position of an image looks at, block by block", "hybrid_sbir.attention.command:attention"
    ),
    "figure curves": Verb("draw validation over the epochs", "hybrid_sbir.figures.curves:curves"),
    "figure cost": Verb("draw scores against operations, parameters and time", "hybrid_sbir.figures.cost:cost"),
    "figure classes": Verb("draw each class's score of a run or two", "hybrid_sbir.figures.classes:classes"),
    "figure confusions": Verb("draw the most confused pairs", "hybrid_sbir.figures.confusions:confusions"),
    "figure found": Verb("draw sketches and the photos found for them", "hybrid_sbir.figures.found:found"),
    "dashboards": Verb("make the tables' dashboards in W&B", "hybrid_sbir.dashboards.create:dashboards"),
    "export": Verb(
        "make a run's model a .safetensors or ONNX graphs, with a card", "hybrid_sbir.encoding.export:export"
    ),
    "index": Verb("embed photos into an index to search in", "hybrid_sbir.search.building:index"),
    "search": Verb("find photos for sketches in an index", "hybrid_sbir.search.command:search"),
    "serve": Verb("serve an index: a page to draw on, an HTTP interface", "hybrid_sbir.serving.command:serve"),
    "refine": Verb("rank a run's embeddings again, using the catalogue", "hybrid_sbir.results.refinement:refine"),
}

_OVERVIEW = """\
Hybrid convolution-attention backbones for sketches: prepare data, train, evaluate, compare.

usage: hybrid-sbir VERB [options]        (the same: python -m hybrid_sbir VERB [options])

{verbs}

options:
  -h, --help     this overview; after a verb, that verb's options
  --version      the version

Training is configured by files that are laid one over another, and by options over them:

  hybrid-sbir fit --config experiments/base/classification.yaml --config experiments/data/embedded.yaml \\
                  --config experiments/overlays/quick.yaml --model.init_args.backbone hib_patch_2_2 --name first
  hybrid-sbir validate --config runs/first/config.yaml"""


def overview() -> str:
    """Return the help of the top level."""
    return _OVERVIEW.format(verbs="\n".join(f"  {name:17} {verb.summary}" for name, verb in VERBS.items()))


def choose(words: list[str]) -> tuple[str, Verb, list[str]]:
    """Find the verb that ``words`` begin with.

    Returns:
        Its name, the verb, and the remaining words.

    Raises:
        ValueError: if there is none; names the nearest and all known ones.
    """
    for length in (2, 1):
        name = " ".join(words[:length])
        if name in VERBS:
            return name, VERBS[name], words[length:]
    family = [name for name in VERBS if name.startswith(f"{words[0]} ")]
    if family and words[1:2] in ([], ["-h"], ["--help"]):
        raise ValueError(f"'{words[0]}' is one of: {', '.join(family)} (each has --help)")
    typed = " ".join(words[:2]) if family else words[0]
    near = get_close_matches(typed, VERBS, n=1, cutoff=0.5)
    hint = f"did you mean '{near[0]}'? " if near else ""
    raise ValueError(f"no verb '{typed}'; {hint}there are: {', '.join(family or VERBS)} (hybrid-sbir --help)")
