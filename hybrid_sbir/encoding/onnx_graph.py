"""One domain's way through a model as an ONNX graph: images of one size in, unit vectors out; any number at once.

Shapes: N images, C channels, S side, E embedding size.
"""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hybrid_sbir import ops
from hybrid_sbir.encoding.encoder import vectors
from hybrid_sbir.models.two_branch import Domain

OPSET = 20
OPSETS = (18, 23)
"""The oldest and the newest that are written: torch writes none before 18, onnxruntime 1.20 reads none after 23."""
INLINE_BYTES = 1 << 30
"""Weights up to so many bytes lie in the graph's own file; a file of protobuf ends at 2 GiB."""
TOLERANCE = 1e-4
"""The largest difference from PyTorch in any component of a unit vector."""
_BATCHES = (1, 2, 5)
INPUT, OUTPUT = "images", "vectors"


class ExportProblem(ValueError):
    """A model that does not become a graph; the message says why."""


class Graph(NamedTuple):
    """A graph that was written.

    Attributes:
        files: its file, and one of weights where those are large.
        difference: the largest from PyTorch, over all components and batches.
    """

    files: tuple[Path, ...]
    difference: float


class _Branch(nn.Module):
    """Images (N, C, S, S) of one domain to unit vectors (N, E)."""

    def __init__(self, model: nn.Module, domain: Domain) -> None:
        super().__init__()
        self.model, self.domain = model, domain

    def forward(self, images: Tensor) -> Tensor:
        return vectors(self.model, images, self.domain)


def write_graph(model: nn.Module, domain: Domain, images: Tensor, path: Path, opset: int = OPSET) -> Graph:
    """Write a domain's graph, check it, and compare it with PyTorch on batches of 1, 2 and 5 images.

    Args:
        model: a TwoBranch or a Classifier, in evaluation mode, on the CPU.
        domain: "sketch" or "photo".
        images: (N, C, S, S), prepared, of the kind that the model was made for: on others patchwise attention may
            grow beyond all numbers. Those for which it does are not compared.
        path: the file to write; large weights go into ``NAME.data`` beside it.
        opset: version of ONNX's operators, 18 to 23.

    Raises:
        ImportError: if the libraries are missing.
        ExportProblem: if the model holds what ONNX has no words for, or the graph does not give the same vectors.
        ValueError: if the opset is none that is written, or the model does not take such images.
    """
    onnx = _onnx()
    if not OPSETS[0] <= opset <= OPSETS[1]:
        raise ValueError(f"opset is {opset}; give {OPSETS[0]} to {OPSETS[1]}")
    branch = _Branch(model, domain).eval()
    found = _anonymous(_exported(branch, torch.zeros_like(images[:2]), opset))
    large = sum(p.numel() * p.element_size() for p in model.parameters()) > INLINE_BYTES
    extra = {"save_as_external_data": True, "location": f"{path.name}.data"} if large else {}
    onnx.save_model(found, str(path), **extra)
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as problem:
        raise ExportProblem(f"the graph of {domain} is no valid ONNX: {problem}") from problem
    files = (path, path.with_name(f"{path.name}.data")) if large else (path,)
    return Graph(files, _compare(branch, path, images))


def session(path: Path) -> Any:
    """Open a graph in onnxruntime on the CPU, with as many threads as torch has; waiting threads do not spin."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(opened: Any, images: np.ndarray) -> np.ndarray:
    """Embed images (N, C, S, S), float32, in an open graph: (N, E), float32."""
    return opened.run([OUTPUT], {INPUT: images})[0]


def _onnx() -> Any:
    try:
        import onnx
        import onnxruntime
        import onnxscript
    except ImportError as problem:
        raise ImportError(f"an export to ONNX needs {problem.name}: pip install 'hybrid-sbir[export]'") from problem
    del onnxruntime, onnxscript
    return onnx


def _exported(branch: nn.Module, images: Tensor, opset: int) -> Any:
    """Trace and translate; the program as protobuf."""
    batch = torch.export.Dim("N", min=1, max=1 << 20)
    with torch.no_grad(), ops.standard_functions(), _quiet():
        try:
            program = torch.onnx.export(
                branch,
                (images,),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={"images": {0: batch}},
                opset_version=opset,
                verbose=False,
            )
        except torch.onnx.errors.OnnxExporterError as problem:
            raise ExportProblem(f"this model does not become an ONNX graph: {_root(problem)}") from problem
    assert program is not None
    return program.model_proto


def _root(problem: BaseException) -> str:
    """The first line of what went wrong in the first place."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    return f"{type(problem).__name__}: {(str(problem).strip() or 'no reason given').splitlines()[0]}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes to its own authors."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _anonymous(proto: Any) -> Any:
    """Take out the stack traces, which name this machine's folders, and what else is of no use outside torch."""
    graphs = [proto.graph, *proto.functions]
    for graph in graphs:
        del graph.metadata_props[:]
        for field in ("node", "value_info", "input", "output", "initializer"):
            for entry in getattr(graph, field, ()):
                if hasattr(entry, "metadata_props"):
                    del entry.metadata_props[:]
                if field in ("node", "initializer"):
                    entry.doc_string = ""
    del proto.metadata_props[:]
    return proto


def _compare(branch: nn.Module, path: Path, images: Tensor) -> float:
    opened, worst = session(path), 0.0
    with torch.inference_mode():
        usable = images[branch(images).isfinite().all(dim=1)]
    if not len(usable):
        raise ExportProblem(f"the model gives no numbers for any of {len(images)} drawings; train it, or take another")
    for some in (usable[:batch] for batch in _BATCHES):
        with torch.inference_mode():
            wanted = branch(some).numpy()
        difference = np.abs(run(opened, some.numpy()) - wanted).max()
        if not difference <= TOLERANCE:  # a NaN is none either
            raise ExportProblem(
                f"{path.name} differs from PyTorch by {difference:.2g} in a batch of {len(some)}; {TOLERANCE:g} is "
                "allowed"
            )
        worst = max(worst, float(difference))
    return worst
