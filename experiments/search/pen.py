"""How strokes are best drawn for models that were trained on images: real QuickDraw strokes search in photos.

Models of Table 4.4 were trained on TU-Berlin's PNGs. Drawings of the classes that QuickDraw and the photos share are
drawn on canvases of several sides, with pens of several widths and with several margins; mAP says which is found best.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from hybrid_sbir.data.images import read_image
from hybrid_sbir.data.strokes import parse_simplified, rasterize
from hybrid_sbir.encoding import load_encoder
from hybrid_sbir.metrics import ranking_metrics

SIDES = (64, 73, 96, 128, 256, 512)
WIDTHS = (0.006, 0.01, 0.014, 0.02, 0.03)
PADDINGS = (0.04, 0.10, 0.16, 0.22, 0.28)
USUAL = (256, 0.02, 0.04)
CHOSEN = (256, 0.006, 0.16)  # hybrid_sbir.search.query.PEN; its canvas is looked at too
BATCH = 64
PENS = list(
    dict.fromkeys(
        [(side, *pen[1:]) for pen in (USUAL, CHOSEN) for side in SIDES]
        + [(USUAL[0], width, padding) for width in WIDTHS for padding in PADDINGS]
    )
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path, help="runs of retrieval")
    parser.add_argument("--photos", type=Path, default=Path("data/photos_90/images"), help="folder of class folders")
    parser.add_argument("--drawings", type=Path, required=True, help="folder of QuickDraw's CLASS.ndjson")
    parser.add_argument("--per_class", type=int, default=40, help="photos and drawings a class, at most")
    parser.add_argument("--out", type=Path, default=Path("experiments/search/pen.json"))
    given = parser.parse_args()
    classes = shared(given.photos, given.drawings)
    drawings = [
        (strokes, label)
        for label, name in enumerate(classes)
        for strokes in read_drawings(given.drawings / f"{name}.ndjson", given.per_class)
    ]
    photos = [
        (file, label)
        for label, name in enumerate(classes)
        for file in spread(sorted((given.photos / name).iterdir()), given.per_class)
    ]
    found = {"classes": len(classes), "drawings": len(drawings), "photos": len(photos), "models": {}}
    for run in given.models:
        found["models"]["/".join(run.parts[-2:])] = measure(run, drawings, photos)
        given.out.write_text(json.dumps(found, indent=1) + "\n")
        given.out.with_suffix(".md").write_text(report(found))


def report(found):
    """Widths down, margins across; then canvases of the pen that strokes are drawn with."""
    rows = {
        name: {(r["side"], r["width"], r["padding"]): r["map"] for r in each} for name, each in found["models"].items()
    }
    lines = [WORDS.format(**found)]
    for name, maps in rows.items():
        lines += [f"## {name}", "", f"| width | {' | '.join(f'margin {p:.2f}' for p in PADDINGS)} |"]
        lines += [f"|---|{'--:|' * len(PADDINGS)}"]
        for width in WIDTHS:
            each = [f"{100 * maps[USUAL[0], width, padding]:.2f}" for padding in PADDINGS]
            lines.append(f"| {width} | {' | '.join(each)} |")
        lines += ["", f"| canvas | {' | '.join(map(str, SIDES))} |", f"|---|{'--:|' * len(SIDES)}"]
        for _, width, padding in (USUAL, CHOSEN):
            each = [f"{100 * maps[side, width, padding]:.2f}" for side in SIDES]
            lines.append(f"| width {width}, margin {padding} | {' | '.join(each)} |")
        lines.append("")
    return "\n".join(lines)


WORDS = """# How strokes are drawn for models that were trained on images

MAP, percent, of {drawings:,} QuickDraw drawings of {classes} classes among {photos:,} photos of the same classes, by
models of Table 4.4 that were trained on TU-Berlin's PNGs at 64 pixels; mirrored views are averaged. Widths and margins
are shares of the canvas' side (256 pixels in the first table of a model). Made by pen.py (`make search-pen`).

Both models find most with thin lines and a wide margin, and that is what TU-Berlin's drawings look like: of 500 of
them, lines are 0.57 % of the side wide, and the longer side of the drawing takes 79 %, a margin of 10.5 %. Strokes are
drawn so for such models: width 0.006, margin 0.16, on 256 pixels. The canvas of 96 pixels that these two were packed
at finds 0.1 to 0.2 more; 256 does for models of any size. A model that was trained on strokes gets its own
canvas, width and margin, whatever stands here.
"""


def shared(photos, drawings):
    """Names of classes that both have."""
    return sorted({path.name for path in photos.iterdir()} & {path.stem for path in drawings.glob("*.ndjson")})


def spread(items, most):
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, min(most, len(items))).astype(int))]


def read_drawings(file, most):
    return [parse_simplified(line) for line in spread(file.read_bytes().splitlines(), most)]


def measure(run, drawings, photos):
    encoder = load_encoder(run)
    catalogue = embed(encoder, (read_image(file) for file, _ in photos), "photo")
    labels = [torch.tensor([label for _, label in items]) for items in (drawings, photos)]
    rows = []
    for side, width, padding in PENS:
        drawn = (Image.fromarray(rasterize(strokes, side, width, padding)) for strokes, _ in drawings)
        queries = embed(encoder, drawn, "sketch")
        values = ranking_metrics(queries, catalogue, *labels, ("ap",))
        rows.append({"side": side, "width": width, "padding": padding, "map": values.mean()["ap"]})
        print(run, rows[-1], flush=True)
    return rows


def embed(encoder, images, domain):
    tensors = [encoder.prepare(image, domain) for image in images]
    parts = [torch.stack(tensors[i : i + BATCH]) for i in range(0, len(tensors), BATCH)]
    return torch.from_numpy(np.concatenate([encoder.embed(part, domain, mirror=True) for part in parts]))


if __name__ == "__main__":
    main()
