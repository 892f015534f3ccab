"""One self-contained HTML page of predictions: no scripts, no fonts, no images from elsewhere.

N samples, K classes, M models.
"""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image

TOP = 3
PAIRS = 8
NONE = -1  # in the place of a class number

_STYLE = """
:root { color-scheme: light dark; --paper: #fbfaf7; --card: #fff; --ink: #22262b; --soft: #5c6570; --rule: #dcdad3;
  --right: #0a5c99; --wrong: #b34700; --bar: #c9d6e2; }
@media (prefers-color-scheme: dark) { :root { --paper: #15181c; --card: #1e2228; --ink: #e8eaed; --soft: #a3acb6;
  --rule: #363c44; --right: #74bdf2; --wrong: #ffa45c; --bar: #35506a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.2rem; max-width: 80rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.45 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0 0 .4rem; }
p { color: var(--soft); margin: .3rem 0 1rem; max-width: 46rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .3rem; }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child, .words td, .words th { text-align: left; } .words td:last-child { text-align: right; }
.scroll { overflow-x: auto; } .pairs { display: flex; flex-wrap: wrap; gap: 1.5rem 3rem; }
.choice { position: absolute; opacity: 0; }
.choice + label { display: inline-block; padding: .25rem .8rem; margin: 0 .3rem .8rem 0; border: 1px solid var(--rule);
  border-radius: 1rem; cursor: pointer; }
.choice:checked + label { background: var(--ink); color: var(--paper); }
.choice:focus-visible + label { outline: 3px solid var(--right); }
#mistakes:checked ~ .grid .all-right, #disputes:checked ~ .grid .agreed { display: none; }
.grid { display: grid; gap: .9rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr)); }
figure { margin: 0; padding: .8rem; background: var(--card); border: 1px solid var(--rule); border-radius: .6rem; }
figure img { display: block; width: 9rem; max-width: 100%; margin: 0 auto .5rem; border-radius: .3rem;
  background: #fff; }
.name { color: var(--soft); font-size: .8rem; overflow-wrap: anywhere; }
.model { margin-top: .6rem; padding-top: .5rem; border-top: 1px solid var(--rule); font-size: .9rem; }
.verdict { float: right; font-weight: 600; } .right { color: var(--right); } .wrong { color: var(--wrong); }
ol { list-style: none; margin: .3rem 0 0; padding: 0; }
li { display: flex; justify-content: space-between; gap: .5rem; padding: .05rem .35rem; margin-top: 2px;
  border-radius: .2rem; background: linear-gradient(to right, var(--bar) var(--share), transparent var(--share)); }
li.true span:first-child { font-weight: 600; text-decoration: underline; text-underline-offset: .2em; }
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{models}
<section>
<h2>Samples</h2>
<p>{samples}, the true one underlined. A tick and the word right, or a cross and the word wrong, say whether the
first is the true one.</p>
<input class="choice" type="radio" name="show" id="everything" checked><label for="everything">all</label>
<input class="choice" type="radio" name="show" id="mistakes"><label for="mistakes">with a mistake</label>
{disputes}
<div class="grid">
{cards}
</div>
</section>
<section>
<h2>Most confused classes</h2>
<div class="pairs">
{pairs}
</div>
</section>
</main>
</body>
</html>
"""
_DISPUTES = """<input class="choice" type="radio" name="show" id="disputes">\
<label for="disputes">where the models differ</label>"""


@dataclass(frozen=True)
class Sample:
    """A sample to show.

    Attributes:
        image: its picture.
        name: what to call it.
        row: its row in the labels and probabilities.
    """

    image: Image.Image
    name: str
    row: int


@dataclass(frozen=True)
class ModelPredictions:
    """What one model says of every sample.

    Attributes:
        name: what to call the model.
        probabilities: (N, K) float; a row that is not finite is no prediction, and wrong.
        metrics: further columns of the table of models, such as the number of parameters.
    """

    name: str
    probabilities: np.ndarray
    metrics: dict[str, str] = field(default_factory=dict)


def accuracy(probabilities: np.ndarray, labels: np.ndarray, top: int) -> float:
    """Share of the N samples whose class is among the `top` most probable; equal probabilities rank by class number."""
    return float((_ranked(probabilities)[:, :top] == labels[:, None]).any(axis=1).mean())


def confused_pairs(probabilities: np.ndarray, labels: np.ndarray, limit: int) -> list[tuple[int, int, int]]:
    """The commonest mistakes as (true class, predicted class, how often), most frequent first."""
    predicted = _ranked(probabilities)[:, 0]
    wrong = (predicted != labels) & (predicted != NONE)
    pairs, counts = np.unique(np.stack([labels[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -counts))[:limit]
    return [(int(pairs[k, 0]), int(pairs[k, 1]), int(counts[k])) for k in order]


def prediction_page(
    title: str,
    classes: Sequence[str],
    labels: np.ndarray,
    samples: Sequence[Sample],
    models: Sequence[ModelPredictions],
) -> str:
    """A page that shows, for the same samples, what each model predicts.

    Args:
        title: heading of the page.
        classes: K names.
        labels: true classes of all N samples, (N,) int.
        samples: those that are shown.
        models: M models' predictions of all N samples.

    Returns:
        A whole HTML document.

    Raises:
        ValueError: no model, or one whose probabilities are not (N, K).
    """
    if not models:
        raise ValueError("a page of predictions needs at least one model; got none")
    for model in models:
        if model.probabilities.shape != (len(labels), len(classes)):
            raise ValueError(
                f"model {model.name!r} has probabilities of shape {model.probabilities.shape}; "
                f"{len(labels)} samples of {len(classes)} classes need {(len(labels), len(classes))}"
            )
    ranks = [_ranked(model.probabilities) for model in models]
    cards = "\n".join(_card(sample, classes, int(labels[sample.row]), models, ranks) for sample in samples)
    return _PAGE.format(
        title=html.escape(title),
        style=_STYLE,
        models=_models_table(classes, labels, models),
        samples=f"{len(samples)} of the {len(labels)} samples of the data's test part. "
        f"Each model's {min(TOP, len(classes))} most probable classes",
        disputes=_DISPUTES if len(models) > 1 else "",
        cards=cards,
        pairs="".join(_pairs_table(model, classes, labels) for model in models),
    )


def _ranked(probabilities: np.ndarray) -> np.ndarray:
    """Classes from the most probable on, (N, K); NONE throughout where the model's output overflowed."""
    ranks = np.argsort(-probabilities, axis=1, kind="stable")
    ranks[~np.isfinite(probabilities).all(axis=1)] = NONE
    return ranks


def _models_table(classes: Sequence[str], labels: np.ndarray, models: Sequence[ModelPredictions]) -> str:
    columns = list(dict.fromkeys(name for model in models for name in model.metrics))
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in ("model", "top-1", "top-5", *columns))
    rows = ""
    for model in models:
        scores = [f"{100 * accuracy(model.probabilities, labels, top):.1f} %" for top in (1, 5)]
        cells = "".join(
            f"<td>{html.escape(text)}</td>" for text in (*scores, *(model.metrics.get(c, "") for c in columns))
        )
        rows += f'<tr><th scope="row">{html.escape(model.name)}</th>{cells}</tr>\n'
    caption = f"<caption>{len(labels)} samples of {len(classes)} classes</caption>"
    body = f"<thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody>"
    return f'<div class="scroll"><table>{caption}{body}</table></div>'


def _card(
    sample: Sample, classes: Sequence[str], label: int, models: Sequence[ModelPredictions], ranks: Sequence[np.ndarray]
) -> str:
    firsts = [int(rank[sample.row, 0]) for rank in ranks]
    marks = ("all-right " if set(firsts) == {label} else "") + ("agreed" if len(set(firsts)) == 1 else "")
    picture = io.BytesIO()
    sample.image.save(picture, "PNG", optimize=True)
    source = "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
    true = html.escape(classes[label])
    verdicts = "".join(
        _verdict(model, rank[sample.row], sample.row, label, classes) for model, rank in zip(models, ranks, strict=True)
    )
    return f"""<figure class="{marks.strip()}">
<img src="{source}" alt="{html.escape(sample.name)}: {true}" loading="lazy">
<figcaption><h3>{true}</h3><div class="name">{html.escape(sample.name)}</div>{verdicts}</figcaption>
</figure>"""


def _verdict(model: ModelPredictions, rank: np.ndarray, row: int, label: int, classes: Sequence[str]) -> str:
    sign, word = ("✓", "right") if rank[0] == label else ("✗", "wrong")
    items = "<li><span>no prediction: the output is not finite</span></li>" if rank[0] == NONE else ""
    for number in rank[:TOP] if rank[0] != NONE else ():
        percent = 100 * float(model.probabilities[row, number])
        true = ' class="true"' if number == label else ""
        words = f"<span>{html.escape(classes[number])}</span><span>{percent:.0f} %</span>"
        items += f'<li{true} style="--share:{percent:.0f}%">{words}</li>'
    verdict = f'<span class="verdict {word}"><span aria-hidden="true">{sign}</span> {word}</span>'
    return f'<div class="model">{verdict}{html.escape(model.name)}<ol>{items}</ol></div>'


def _pairs_table(model: ModelPredictions, classes: Sequence[str], labels: np.ndarray) -> str:
    rows = ""
    for true, said, count in confused_pairs(model.probabilities, labels, PAIRS):
        often = f"{count} of {int((labels == true).sum())}"
        rows += f"<tr><td>{html.escape(classes[true])}</td><td>{html.escape(classes[said])}</td><td>{often}</td></tr>"
    rows = rows or '<tr><td colspan="3">no mistakes</td></tr>'
    head = '<tr><th scope="col">it is</th><th scope="col">it says</th><th scope="col">how often</th></tr>'
    caption = f"<caption>{html.escape(model.name)}</caption>"
    return f'<table class="words">{caption}<thead>{head}</thead><tbody>{rows}</tbody></table>'
