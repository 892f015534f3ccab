"""``hybrid-sbir bench models``: the thesis's Table 3.1, measured: a file a row, so that nothing is measured twice."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import torch

from hybrid_sbir.bench.backbones import TABLE_3_1, Job, has_attention, measure_memory, measure_time
from hybrid_sbir.bench.child import in_a_child
from hybrid_sbir.bench.machine import Settings, device_name
from hybrid_sbir.bench.options import choose_dtypes, split
from hybrid_sbir.bench.page import write_json
from hybrid_sbir.bench.table import ROWS, read_reference, read_rows, table
from hybrid_sbir.durable import write_durably
from hybrid_sbir.models import backbone_spec
from hybrid_sbir.models.stage import Activation

_SIZE = {"cpu": 128, "cuda": 224}
_BATCH = {"cpu": 8, "cuda": 64}
_DTYPES = {"cpu": "float32", "cuda": "float32,bfloat16"}
_ROUNDS = {"cpu": 7, "cuda": 30}


def models(
    variants: str = "",
    device: str = "",
    size: int | None = None,
    batch: int | None = None,
    dtypes: str = "",
    published: bool = False,
    activation: Activation = "post",
    width: float = 1.0,
    channels_last: bool = False,
    rounds: int | None = None,
    implementation: str = "",
    threads: int = 0,
    reference: Path | None = None,
    out: Path = Path("runs/table-3.1"),
) -> str:
    """Measure training and inference of backbones beside ResNet26's, each in its own process; print them as a table.

    Args:
        variants: names of backbones with commas or spaces between; by default those of the thesis's Table 3.1.
        device: ``cpu``, ``cuda`` or ``cuda:N``; by default a GPU where there is one.
        size: side of the square images, pixels; by default 128 on a CPU, 224 on a GPU.
        batch: images of a batch; by default 8 on a CPU, 64 on a GPU.
        dtypes: types, all but float32 by autocast; by default ``float32``, on a GPU ``float32,bfloat16``.
        published: measure those with vector attention in the published layout too.
        activation: order of bottlenecks and non-local blocks.
        width: factor on all widths.
        channels_last: images and weights with their channels innermost.
        rounds: how often a backbone and ResNet26 take turns; by default 7 on a CPU, 30 on a GPU.
        implementation: of the operators: ``cupy``, ``c`` or ``torch`` instead of the fastest.
        threads: of PyTorch on the CPU; by default as many as it takes by itself.
        reference: the thesis's numbers to set beside, a CSV file.
        out: folder of the results, a JSON file a row. A row that is there, of the same settings and device, is not
            measured again. ``table.md`` and ``table.json`` are of all its rows.
    """
    settings = Settings.chosen(device, implementation, threads)
    kind = settings.device.type
    template = Job(
        TABLE_3_1[0],
        size=_SIZE[kind] if size is None else size,
        batch=_BATCH[kind] if batch is None else batch,
        rounds=_ROUNDS[kind] if rounds is None else rounds,
        activation=activation,
        width=width,
        channels_last=channels_last,
    )
    thesis = read_reference(reference) if reference else {}
    jobs = _jobs(template, _names(variants), choose_dtypes(dtypes or _DTYPES[kind]), published)
    failed = [problem for job in jobs if (problem := _row(job, settings, out))]
    text = "\n".join([*table(read_rows(out), thesis), *failed]) + "\n"
    write_durably(out / "table.md", text.encode())
    write_json(out / "table.json", read_rows(out))
    print(text, end="")
    if failed:
        raise ValueError(f"{len(failed)} of {len(jobs)} rows could not be measured; the table says why")
    return text


def _jobs(template: Job, names: list[str], dtypes: list[torch.dtype], published: bool) -> list[Job]:
    return [
        replace(template, backbone=name, dtype=str(dtype)[6:], published=layout)
        for dtype in dtypes
        for name in names
        for layout in (False, True)
        if not layout or (published and has_attention(name))
    ]


def _names(variants: str) -> list[str]:
    names = split(variants) or list(TABLE_3_1)
    for name in names:
        backbone_spec(name)  # an unknown name is refused before anything is measured
    return names


def _row(job: Job, settings: Settings, out: Path) -> str | None:
    """Measure a row and write its file, unless it is there; what went wrong, as a line."""
    path = out / ROWS / f"{_slug(job, settings)}.json"
    if _finished(path, job, settings):
        print(f"{job}: measured already; delete {path} to measure it again", file=sys.stderr, flush=True)
        return None
    print(f"measuring {job}", file=sys.stderr, flush=True)
    try:
        memory = in_a_child(measure_memory, job, settings)
        write_json(path, in_a_child(measure_time, job, settings) | memory)
    except (RuntimeError, FloatingPointError, ValueError) as error:  # out of memory, mostly; a size too small for it
        return f"- not in the table: {job}: {str(error).splitlines()[0]}"
    return None


def _slug(job: Job, settings: Settings) -> str:
    """A file name that tells rows apart which may stand in one folder."""
    parts = [job.backbone, job.activation, job.dtype, f"{job.size}px", f"batch{job.batch}"]
    parts += ["published"] if job.published else [settings.active]
    parts += [f"width{job.width}"] * (job.width != 1) + ["channels_last"] * job.channels_last
    parts += [f"threads{settings.threads}"] * (settings.device.type == "cpu")
    return "-".join([*parts, settings.device.type])


def _finished(path: Path, job: Job, settings: Settings) -> bool:
    """Whether a file is of this very job on such a device with this implementation; a damaged one is not."""
    try:
        row = json.loads(path.read_text())
        machine = row["machine"]
        same = machine["device"]["name"] == device_name(settings.device)
        same = same and (job.published or machine["implementation"]["name"] == settings.active)
        return same and row["job"] == asdict(job)
    except (OSError, ValueError, KeyError, TypeError):
        return False
