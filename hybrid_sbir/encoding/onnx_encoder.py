"""An encoder that computes in onnxruntime; the same vectors as torch's to 1e-4, the same preparation and views.

Shapes: N images, C channels, S side, E embedding size.
"""

from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hybrid_sbir.encoding import onnx_graph
from hybrid_sbir.encoding.encoder import Encoder, vectors
from hybrid_sbir.encoding.model_file import read_model_file
from hybrid_sbir.encoding.onnx_folder import graph_key, read_onnx_manifest, verified, weights_of
from hybrid_sbir.models.checkpoints import CheckpointError
from hybrid_sbir.models.two_branch import Domain


def is_installed() -> bool:
    """Whether onnxruntime can be imported."""
    return find_spec("onnxruntime") is not None


class OnnxEncoder(Encoder):
    """What `hybrid-sbir export` wrote into a folder, as an encoder on the CPU; graphs are opened when first used.

    Args:
        folder: the folder.

    Attributes:
        manifest: what the folder says of itself.

    Raises:
        ImportError: if onnxruntime is missing.
        CheckpointError: if the manifest is missing or damaged; of the other files, when they are used.
    """

    runtime = "onnx"

    def __init__(self, folder: Path) -> None:
        if not is_installed():
            raise ImportError("graphs of ONNX run in onnxruntime: pip install 'hybrid-sbir[export]'")
        self.manifest, self._folder = read_onnx_manifest(folder), folder
        self._sessions: dict[str, Any] = {}
        given = self.manifest
        self._describe(given.preparation, given.about, "cpu", given.embedding_size, given.smallest)

    @cached_property
    def model(self) -> nn.Module:  # type: ignore[override]
        """The same model in torch, from the weights beside the graphs: for another device, or to look into."""
        return read_model_file(weights_of(self._folder)).model

    def _embed(self, images: Tensor, domain: Domain) -> Tensor:
        if self.device.type != "cpu":  # a trainer has moved the model
            return vectors(self.model, images, domain)
        opened = self._session(domain, images)
        return torch.from_numpy(onnx_graph.run(opened, images.contiguous().numpy()))

    def _session(self, domain: Domain, images: Tensor) -> Any:
        channels, side = self.preparation[domain].channels, images.shape[-1]
        key = graph_key(domain, side)
        if images.shape[1] != channels or images.shape[2] != side or key not in self.manifest.graphs:
            sides = [name.partition(":")[2] for name in self.manifest.graphs if name.startswith(f"{domain}:")]
            raise ValueError(
                f"{domain} images are {tuple(images.shape)}; this export takes {channels} channels of "
                f"{', '.join(sides)} pixels a side: export it with --scales for others, or take the runtime torch"
            )
        if key not in self._sessions:
            name = self.manifest.graphs[key]
            for extra in (other for other in self.manifest.files if other.startswith(f"{name}.")):
                verified(self._folder, self.manifest, extra)
            path = verified(self._folder, self.manifest, name)
            try:
                self._sessions[key] = onnx_graph.session(path)
            except Exception as problem:  # onnxruntime's own kinds have no common ancestor of their own
                raise CheckpointError(f"{path} does not open in this onnxruntime: {problem}") from problem
        return self._sessions[key]
