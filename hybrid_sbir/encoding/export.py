"""The verb that makes of a run what can be published and used elsewhere: a .safetensors, or a folder of ONNX graphs."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from hybrid_sbir.data.embedded import CLASSES, draw_photo, draw_sketch
from hybrid_sbir.durable import write_durably
from hybrid_sbir.encoding import onnx_graph
from hybrid_sbir.encoding.encoder import Encoder
from hybrid_sbir.encoding.model_card import card
from hybrid_sbir.encoding.model_file import MODEL_SUFFIX, ModelFile, read_model_file, weights_digest, write_model_file
from hybrid_sbir.encoding.onnx_folder import (
    MANIFEST,
    WEIGHTS,
    OnnxManifest,
    file_record,
    graph_key,
    is_onnx_folder,
    manifest_bytes,
    weights_of,
)
from hybrid_sbir.encoding.run import load_run
from hybrid_sbir.models import TwoBranch
from hybrid_sbir.models.two_branch import DOMAINS, Domain

CARD = "README.md"
_DRAWN = 128  # pixels, before the model's own preparation


def export(
    run: Path,
    *,
    out: Path,
    scales: list[float] = [1.0],  # noqa: B006  # a command line's default; never changed
    opset: int = onnx_graph.OPSET,
    transform: str | None = None,
    size: int | None = None,
    overwrite: bool = False,
) -> list[str]:
    """Export a trained model, with a model card beside it.

    Args:
        run: a run's folder (its best checkpoint, else its last), a .ckpt inside it, or an export.
        out: a file FILE.safetensors (its card: FILE.md), or a folder for ONNX graphs of both branches, with the weights
            and the card in it.
        scales: of ONNX, factors on the side for which there are graphs: those that will be searched with.
        opset: of ONNX, version of its operators.
        transform: preset that prepares the images, of a classifier whose run's configuration is not at hand.
        size: side in pixels that it gives, likewise.
        overwrite: whether to replace what stands at ``out``.

    Returns:
        What was written, in lines.

    Raises:
        OSError, ValueError: if there is no model, it is damaged or cannot be exported, or ``out`` exists or cannot be
            written; what stood there is untouched.
        ImportError: if the libraries for ONNX are missing.
    """
    _check_target(out, overwrite)
    source = _source(run, transform, size)
    if out.suffix == MODEL_SUFFIX:
        return _as_file(source, out)
    return _as_folder(source, out, scales, opset)


def _source(path: Path, transform: str | None, size: int | None) -> ModelFile:
    if is_onnx_folder(path):
        return read_model_file(weights_of(path))
    if path.suffix == MODEL_SUFFIX and transform is None and size is None:
        return read_model_file(path)
    return ModelFile(*load_run(path, transform, size))


def _check_target(out: Path, overwrite: bool) -> None:
    """Refuse what cannot be written before a model is loaded."""
    is_file = out.suffix == MODEL_SUFFIX
    if not is_file and out.suffix and not out.is_dir():
        raise ValueError(f"--out {out}: give a name that ends in {MODEL_SUFFIX}, or a folder's for ONNX graphs")
    if (out.exists() or out.is_symlink()) and not overwrite:
        raise FileExistsError(f"{out} exists already; name another, or replace it with --overwrite true")
    if out.is_dir() and is_file:
        raise IsADirectoryError(f"{out} is a folder; name a file")
    if not is_file and out.exists() and not is_onnx_folder(out) and not (out.is_dir() and not any(out.iterdir())):
        raise FileExistsError(f"{out} holds something other than an export, which is not replaced; name another")
    if is_file and _card_of(out).exists() and not overwrite:
        raise FileExistsError(
            f"{_card_of(out)}, where the model card would be, exists already; name another file, or replace both with "
            "--overwrite true"
        )
    parent = next(folder for folder in out.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise NotADirectoryError(f"{out} cannot be written: {parent} is a file; name another place")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PermissionError(f"{out} cannot be written: the folder {parent} is read-only for you; name another place")


def _card_of(out: Path) -> Path:
    return out.with_suffix(".md")


def _as_file(source: ModelFile, out: Path) -> list[str]:
    out.parent.mkdir(parents=True, exist_ok=True)
    write_model_file(out, *source)
    written = file_record(out)
    text = card(source, {out.name: written}, f'load_encoder("{out.name}")')
    beside = _card_of(out)
    write_durably(beside, text.encode())
    return [f"{out}: {written['bytes']:,} bytes, SHA-256 {written['sha256']}", f"{beside}: its card"]


def _as_folder(source: ModelFile, out: Path, scales: Sequence[float], opset: int) -> list[str]:
    out.parent.mkdir(parents=True, exist_ok=True)
    side = out.with_name(f".{out.name}.{os.getpid()}.part")
    old = out.with_name(f".{out.name}.{os.getpid()}.old")
    try:
        side.mkdir()
        lines = _write_folder(source, side, scales, opset, out.name)
        if out.exists():
            out.rename(old)
        side.rename(out)
    except BaseException:
        if old.exists() and not out.exists():
            old.rename(out)
        raise
    finally:
        shutil.rmtree(side, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return [f"{out}: {line}" for line in lines]


def _examples(encoder: Encoder, domain: Domain, side: int) -> Tensor:
    """Drawings or photos of the embedded set as the model is given them, (N, C, S, S) of S ``side``.

    A classifier knows one kind of image, and no file says which: it gets both.
    """
    kinds = {"sketch": draw_sketch, "photo": draw_photo}
    drawn = [kinds[domain]] if isinstance(encoder.model, TwoBranch) else list(kinds.values())
    images = [encoder.prepare(draw(name, size=_DRAWN), domain) for name in CLASSES[:5] for draw in drawn]
    return F.interpolate(torch.stack(images), (side, side), mode="bilinear", antialias=True)


def _write_folder(source: ModelFile, folder: Path, scales: Sequence[float], opset: int, name: str) -> list[str]:
    encoder = Encoder(source.model, source.preparation, source.about)
    graphs: dict[str, str] = {}
    worst = 0.0
    for domain in DOMAINS:
        one = source.preparation[domain]
        for side in _sides(one.size, scales, encoder.smallest):
            path = folder / (f"{domain}.onnx" if side == max(one.size, encoder.smallest) else f"{domain}_{side}.onnx")
            written = onnx_graph.write_graph(source.model, domain, _examples(encoder, domain, side), path, opset)
            graphs[graph_key(domain, side)], worst = path.name, max(worst, written.difference)
    write_model_file(folder / WEIGHTS, *source)
    files = {path.name: file_record(path) for path in sorted(folder.iterdir())}
    manifest = _manifest(source, encoder, graphs, files, worst, opset)
    (folder / CARD).write_text(card(source, files, f'load_encoder("{name}")', manifest), encoding="utf-8")
    (folder / MANIFEST).write_bytes(manifest_bytes(manifest))
    size = sum(each["bytes"] for each in files.values())
    kinds = ", ".join(sorted(set(graphs.values())))
    return [
        f"{kinds} (opset {opset}), {WEIGHTS}, {CARD}; {size:,} bytes",
        f"vectors differ from PyTorch's by {worst:.1g} at most; {onnx_graph.TOLERANCE:g} is allowed",
    ]


def _manifest(
    source: ModelFile,
    encoder: Encoder,
    graphs: dict[str, str],
    files: dict[str, dict[str, object]],
    worst: float,
    opset: int,
) -> OnnxManifest:
    import onnx
    import onnxruntime
    import torch

    return OnnxManifest(
        embedding_size=encoder.embedding_size,
        smallest=encoder.smallest,
        opset=opset,
        graphs=graphs,
        files=files,
        difference=worst,
        preparation=dict(source.preparation),
        about=dict(source.about),
        weights=weights_digest(source.model),
        versions={
            "torch": str(torch.__version__),
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
        },
    )


def _sides(size: int, scales: Sequence[float], smallest: int) -> list[int]:
    """Sides of the views that :func:`hybrid_sbir.retrieval.describe` makes, each once."""
    if not scales or any(not 0 < scale < 16 for scale in scales):
        raise ValueError(
            f"scales are {list(scales)}; give factors on the side, above 0 and below 16, such as 1 0.7 1.4"
        )
    return list(dict.fromkeys(max(1, round(size * scale), smallest) for scale in scales))
