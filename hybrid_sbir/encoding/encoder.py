"""Sketches and photos -> unit vectors, as a trained model and its run's preparation of images give them.

Shapes: N images, C channels, S side of what the model is given, H, W of a view of it, E embedding size.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from hybrid_sbir.data.transforms import Transform
from hybrid_sbir.encoding.devices import usable_device
from hybrid_sbir.encoding.model_file import MODEL_SUFFIX, read_model_file
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.encoding.threads import threads_for
from hybrid_sbir.encoding.trained_model import backbone_of
from hybrid_sbir.models import TwoBranch
from hybrid_sbir.models.two_branch import DOMAINS, Domain
from hybrid_sbir.retrieval import describe

Runtime = Literal["auto", "torch", "onnx"]


class Encoder:
    """A trained model of two branches, or a classifier of one kind of image, as a source of descriptors.

    Args:
        model: a TwoBranch or a Classifier; put into evaluation mode.
        preparation: how images of each domain are prepared.
        about: what is said of it elsewhere, plain values: ``name``, classes, scores.
        device: where it runs.

    Attributes:
        model: the model.
        device: where it runs.
        embedding_size: E.
        smallest: side in pixels of the smallest image that the model takes; smaller views are padded to it.
        preparation: how images of each domain are prepared, plain values.
        about: what is said of it, plain values.
    """

    runtime = "torch"
    """What computes: ``"torch"`` or ``"onnx"``."""

    def __init__(
        self,
        model: nn.Module,
        preparation: Mapping[Domain, Preparation],
        about: Mapping[str, Any] | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        branch = backbone_of(model)
        size = model.embedding_size if isinstance(model, TwoBranch) else branch.num_features
        self._describe(preparation, about, device, size, branch.smallest_input)
        self.model = model.eval().to(device)

    def _describe(
        self,
        preparation: Mapping[Domain, Preparation],
        about: Mapping[str, Any] | None,
        device: str | torch.device,
        embedding_size: int,
        smallest: int,
    ) -> None:
        self.preparation, self.about, self.device = dict(preparation), dict(about or {}), torch.device(device)
        self._transforms = {domain: self.preparation[domain].transform() for domain in DOMAINS}
        self.embedding_size, self.smallest = embedding_size, smallest

    def transform(self, domain: Domain) -> Transform:
        """Return what is done to an image of a domain; it can be sent to loading processes."""
        return self._transforms[domain]

    def prepare(self, image: Image.Image, domain: Domain) -> Tensor:
        """Prepare one image, of mode L or RGB: (C, S, S), float32."""
        return self._transforms[domain](image)

    @torch.inference_mode()
    def embed(
        self, images: Tensor, domain: Domain, *, scales: Sequence[float] = (1.0,), mirror: bool = False
    ) -> np.ndarray:
        """Embed prepared images.

        A few small ones are embedded in one thread, whatever torch is set to; see :mod:`hybrid_sbir.encoding.threads`.

        Args:
            images: (N, C, S, S), float32.
            domain: "sketch" or "photo".
            scales: factors on the side, whose descriptors are averaged.
            mirror: whether mirror images are averaged too.

        Returns:
            (N, E), float32, of norm 1.

        Raises:
            ValueError: if the images or the scales do not fit the model.
        """
        with threads_for(images):
            found = describe(
                lambda view: self._embed(view, domain), images.to(self.device), tuple(scales), mirror, self.smallest
            )
        return found.cpu().numpy()

    def _embed(self, images: Tensor, domain: Domain) -> Tensor:
        """Embed a view of the images, (N, C, H, W): (N, E), of any norm."""
        return vectors(self.model, images, domain)


def vectors(model: nn.Module, images: Tensor, domain: Domain) -> Tensor:
    """Embed images (N, C, H, W) of a domain with a TwoBranch or a Classifier: (N, E), of norm 1."""
    if isinstance(model, TwoBranch):
        return F.normalize(model.embed(images, domain).embedding.float(), dim=1)
    return F.normalize(backbone_of(model).pooled_features(images).float(), dim=1)


def load_encoder(path: Path | str, device: str | torch.device = "cpu", runtime: Runtime = "auto") -> Encoder:
    """Load an encoder.

    Args:
        path: a run's folder (its best checkpoint, else its last) or .ckpt inside it; what ``hybrid-sbir export`` made:
            a .safetensors, or a folder of ONNX graphs.
        device: where it runs.
        runtime: what computes. "auto": the graphs where ``path`` holds some, the device is the CPU and onnxruntime is
            installed, else torch; "torch" takes the weights beside the graphs.

    Raises:
        FileNotFoundError: if there is no such file.
        OSError, ValueError: if the file is damaged, holds no model, or nothing says how images are prepared; if
            ``runtime`` is "onnx" and there are no graphs, or the device is not the CPU or cannot be used.
        ImportError: if ``runtime`` is "onnx" and onnxruntime is missing.
    """
    if runtime not in get_args(Runtime):
        raise ValueError(f"runtime is '{runtime}'; it can be {', '.join(get_args(Runtime))}")
    path, device = Path(path), usable_device(device)
    from hybrid_sbir.encoding import onnx_folder

    if onnx_folder.is_onnx_folder(path):
        return _of_folder(path, device, runtime)
    if runtime == "onnx":
        raise ValueError(f"{path} holds no ONNX graphs; make them: hybrid-sbir export {path} --out FOLDER")
    if path.suffix == MODEL_SUFFIX:
        return Encoder(*read_model_file(path), device)
    from hybrid_sbir.encoding.run import load_run  # only what a run left needs the trainer's file format

    return Encoder(*load_run(path), device)


def _of_folder(folder: Path, device: str | torch.device, runtime: Runtime) -> Encoder:
    from hybrid_sbir.encoding import onnx_encoder, onnx_folder

    on_cpu = torch.device(device).type == "cpu"
    if runtime == "onnx" and not on_cpu:
        raise ValueError(f"the graphs in {folder} run on the CPU; for {device} take runtime 'torch'")
    if runtime == "torch" or not on_cpu or (runtime == "auto" and not onnx_encoder.is_installed()):
        return Encoder(*read_model_file(onnx_folder.weights_of(folder)), device)
    return onnx_encoder.OnnxEncoder(folder)
