"""The scores of a run in a model card: each beside what it was measured on and what it means."""

from collections.abc import Mapping
from typing import Any

_MEASURES = {
    "map": "mean over the sketches of the average precision, over the whole ranking",
    "mrr": "mean over the sketches of one over the rank of the first photo of the sketch's class",
    "p10": "share of photos of the sketch's class among the first ten",
    "top1": "share of images whose class is the likeliest",
    "top5": "share of images whose class is among the five likeliest",
    "loss": "cross-entropy",
}
_SETS = {
    "unseen": "classes that were not trained on",
    "expanded": "query expansion over the catalogue",
    "reranked": "ranked again by neighbourhoods of the catalogue",
    "seen_": "of a test: only sketches of classes that were trained on",
}


def score_section(about: Mapping[str, Any]) -> str:
    """Write tables of the scores, the names explained."""
    evaluations: Mapping[str, Any] = about.get("scores") or {}
    sets = (about.get("data") or {}).get("sets") or {}
    tables = [_table(name, each, sets) for name, each in evaluations.items() if each.get("values")]
    if not tables:
        return "No evaluation of this checkpoint is recorded."
    names = " ".join(value for each in evaluations.values() for value in each["values"])
    measures = [f"- `{name}`: {meaning}" for name, meaning in _MEASURES.items() if name in names]
    sets = [f"- `{name.rstrip('_')}`: {meaning}" for name, meaning in _SETS.items() if name in names]
    relevant = "A photo is relevant if it is of the sketch's class." if "map" in names else ""
    return "\n\n".join([*tables, "\n".join([*measures, *sets]), relevant]).strip()


def _measured_on(name: str, scored: Mapping[str, Any], sets: Mapping[str, str]) -> str:
    """Name the data: a test may be of other sets than the training, whose fingerprint then says nothing of it."""
    if name == "test" and "test_sketches" in sets:
        photos = sets.get("test_photos", sets.get("photos"))
        return f" on other data than it was trained on, sketches of {sets['test_sketches']}, photos of {photos}"
    data = scored.get("data") or {}
    return f" on `{data['module']}` (fingerprint `{str(data.get('fingerprint'))[:12]}`)" if data.get("module") else ""


def _table(name: str, scored: Mapping[str, Any], sets: Mapping[str, str]) -> str:
    rows = ["| score | value | measured on | remarks |", "|---|---|---|---|"]
    for score, value in scored["values"].items():
        each = (scored.get("sets") or {}).get(score.partition("/")[0]) or {}
        sizes = [f"{each[key]:,} {noun}" for key, noun in _SIZES.items() if key in each]
        parts = ("seen_", "unseen_")
        whole = not score.partition("/")[2].startswith(parts)
        rows.append(
            f"| `{score}` | {value:.4f} | {', '.join(sizes) if whole else 'a part of these'} | "
            f"{'; '.join(each.get('remarks') or [])} |"
        )
    return f"`{name}`{_measured_on(name, scored, sets)}:\n\n" + "\n".join(rows)


_SIZES = {"queries": "sketches", "catalogue": "photos", "samples": "images"}
