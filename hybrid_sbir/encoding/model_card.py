"""A model card (Mitchell et al., FAT* 2019) from what a run recorded: nothing in it that no file says."""

from collections.abc import Mapping
from typing import Any

from hybrid_sbir.encoding.model_file import ModelFile
from hybrid_sbir.encoding.model_scores import score_section
from hybrid_sbir.encoding.onnx_folder import OnnxManifest
from hybrid_sbir.models.two_branch import DOMAINS

_CLASSES_SHOWN = 400
_LICENCE = """\
The code that made and reads this model is under the MIT licence. **No licence was chosen for these weights yet**: \
whoever publishes them has to, and has to keep to the terms of the data they were trained on. Replace this paragraph \
then."""
_LIMITS = """\
- Measured on the data named with the scores and nothing else; other drawings, photos, classes may do worse, by a lot.
- It ranks by likeness of what is drawn. It was not made to recognise persons; decide nothing about people by it.
- A score is a cosine that orders one catalogue's photos for one sketch. It is no probability, and scores of different \
sketches do not compare.
- The scores above are of one training with one seed; seeds differ."""


def card(source: ModelFile, files: Mapping[str, Mapping[str, Any]], load: str, onnx: OnnxManifest | None = None) -> str:
    """Write a model card.

    Args:
        source: the model, how images are prepared, what is said of it.
        files: name -> length and SHA-256, of what was exported.
        load: the call that loads it.
        onnx: the manifest, of a folder of ONNX graphs.

    Returns:
        Markdown.
    """
    about = source.about
    sections = [
        f"# {about.get('name') or 'A model'}\n\n{_what(source)}",
        _section("Model", _facts(source)),
        _section("Training data", _data(about)),
        _section("Scores", score_section(about)),
        _section("Use", _use(about)),
        _section("Limits", _LIMITS),
        _section("Load it", _load(load, onnx)),
        _section("Preparation of images", _preparation(source)),
        _section("Files", _files(files)),
        _section("Versions", _versions(about, onnx)),
        _section("Licence", _LICENCE),
    ]
    return "\n".join(sections)


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n{text.strip()}\n"


def _table(rows: Mapping[str, Any], heads: tuple[str, str] = ("", "")) -> str:
    lines = [f"| {name} | {value} |" for name, value in rows.items() if value not in (None, "", [], {})]
    return "\n".join([f"| {heads[0]} | {heads[1]} |", "|---|---|", *lines])


def _what(source: ModelFile) -> str:
    if source.about.get("kind", "two_branch") == "classifier":
        return "A classifier of one kind of image, made with hybrid_sbir; its pooled features are the vectors.\n"
    return (
        "Finds photos by sketches: a branch for sketches and one for photos map both onto unit vectors, whose cosine "
        "says how alike they are. Made with hybrid_sbir.\n"
    )


def _facts(source: ModelFile) -> str:
    about, trained = source.about, source.about.get("trained") or {}
    options = ", ".join(f"{name} {value}" for name, value in (about.get("options") or {}).items())
    size = getattr(source.model, "embedding_size", None)
    if size is None:
        size = source.model.backbone.num_features  # type: ignore[union-attr]
    return _table(
        {
            "Backbone": about.get("backbone"),
            "Options": options,
            "Parameters": f"{about['parameters']:,}" if "parameters" in about else None,
            "Numbers a vector": size,
            "Trained by": about.get("task"),
            "Epochs of this stage": trained.get("epochs"),
            "Precision in training": trained.get("precision"),
            "Seed": trained.get("seed"),
            "Commit": trained.get("commit"),
            "Checkpoint": about.get("checkpoint"),
        }
    )


def _data(about: Mapping[str, Any]) -> str:
    data, classes = about.get("data") or {}, about.get("classes") or []
    if not data and not classes:
        return "The file does not say what it was trained on."
    sets = data.get("sets") or {}
    rows = {"Data module": data.get("module"), "Sketches": sets.get("sketches"), "Photos": sets.get("photos")}
    lines = [_table(rows | {"Fingerprint": data.get("fingerprint")})] if data else []
    if classes:
        shown = ", ".join(classes[:_CLASSES_SHOWN])
        more = f" and {len(classes) - _CLASSES_SHOWN} more" if len(classes) > _CLASSES_SHOWN else ""
        lines.append(f"{len(classes)} classes: {shown}{more}.")
    return "\n\n".join(lines)


def _use(about: Mapping[str, Any]) -> str:
    if about.get("kind") == "classifier":
        return "To compare images of the kind it was trained on with each other, and to train retrieval from."
    return (
        "To search a catalogue of photos with hand-drawn sketches: `hybrid-sbir index`, then `hybrid-sbir search` or "
        "`hybrid-sbir serve`. For research and for catalogues whose results a person looks at."
    )


def _load(load: str, onnx: OnnxManifest | None) -> str:
    text = (
        f"```python\nfrom PIL import Image\n\nfrom hybrid_sbir.encoding import load_encoder\n\nencoder = {load}\n"
        'sketch = encoder.prepare(Image.open("sketch.png").convert("RGB"), "sketch")\n'
        'vector = encoder.embed(sketch[None], "sketch")  # (1, numbers a vector), of norm 1\n```'
    )
    if onnx is None:
        return text
    graphs = ", ".join(f"`{name}`" for name in sorted(set(onnx.graphs.values())))
    return (
        f"{text}\n\nWithout hybrid_sbir: {graphs} are ONNX graphs of opset {onnx.opset}; `images` (N, C, S, S), "
        "float32, prepared as below, gives `vectors`, of norm 1. They differ from PyTorch's by "
        f"{onnx.difference:.1g} at most, so that an index made with either can be searched with the other."
    )


def _preparation(source: ModelFile) -> str:
    rows = ["| | preset | side | channels | mean | standard deviation |", "|---|---|---|---|---|---|"]
    for domain in DOMAINS:
        one = source.preparation[domain]
        made = one.transform()
        mean, std = (", ".join(f"{value:g}" for value in values) for values in (made.mean, made.std))
        rows.append(f"| {domain} | `{one.preset}` | {one.size} | {one.channels} | {mean} | {std} |")
    return "\n".join(rows) + (
        "\n\nPresets are those of `hybrid_sbir.data.transforms`; pixels are from 0 to 1 before mean and standard "
        "deviation. Sketches are dark lines on white."
    )


def _files(files: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [f"| `{name}` | {each['bytes']:,} | `{each['sha256']}` |" for name, each in files.items()]
    return "\n".join(["| file | bytes | SHA-256 |", "|---|---|---|", *rows])


def _versions(about: Mapping[str, Any], onnx: OnnxManifest | None) -> str:
    named = {
        "trained with": (about.get("trained") or {}).get("versions"),
        "exported with": (about.get("versions") or {}) | (onnx.versions if onnx else {}),
    }
    return "\n".join(
        f"- {when} {', '.join(f'{name} {version}' for name, version in versions.items())}"
        for when, versions in named.items()
        if versions
    )
