"""What a training step and an inference of a backbone cost, beside ResNet26's in the same run.

A training step is forward, cross-entropy, backward and a step of SGD on one batch of noise; an inference is a forward
pass in evaluation. Loading is left out. The backbone and ResNet26 take turns, so that a machine's mood meets both.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from operator import truediv
from typing import Any

import torch
import torch.nn.functional as F

from hybrid_sbir.bench.machine import Settings, describe
from hybrid_sbir.bench.memory import PeakMemory, large_blocks_apart
from hybrid_sbir.bench.published import publish
from hybrid_sbir.bench.timing import Timing, take_turns, wall_clock
from hybrid_sbir.complexity import measure as count
from hybrid_sbir.models import Classifier, backbone_spec, create_backbone
from hybrid_sbir.models.stage import Activation

BASELINE = "resnet26"
TABLE_3_1 = (
    *("resnet26", "resnet26_nl", "san10_pair", "san10_pair_nl", "san10_patch", "san10_patch_nl"),
    *("hib_pair_2_2", "hib_pair_2_2_nl", "hib_patch_2_2", "hib_patch_2_2_nl"),
    *("hib_pair_3_1", "hib_pair_3_1_nl", "hib_patch_3_1", "hib_patch_3_1_nl", "pure_nl", "hib_nl_2_2", "hib_nl_3_1"),
)
"""The variants of the thesis's table, in its order."""

_WARM_UP = 2
# As the thesis trains, but for the rate: batches of noise must not drive the weights to infinity within some steps.
_RATE, _MOMENTUM, _DECAY = 1e-4, 0.9, 1e-4


@dataclass(frozen=True)
class Job:
    """One row of the table: which backbone, in which layout, on what.

    Attributes:
        backbone: a registered name.
        published: attention in the published layout instead of the package's operators.
        dtype: ``float32``, or the type to which autocast casts.
        size: side of the square images, pixels.
        batch: images of a batch.
        activation: order of bottlenecks and non-local blocks.
        width: factor on all widths.
        classes: classes of the head.
        channels_last: images and weights with their channels innermost.
        rounds: how often the backbone and ResNet26 take turns.

    Raises:
        ValueError: if the size, the batch or the rounds are below 1.
    """

    backbone: str
    published: bool = False
    dtype: str = "float32"
    size: int = 224
    batch: int = 64
    activation: Activation = "post"
    width: float = 1.0
    classes: int = 250
    channels_last: bool = False
    rounds: int = 10

    def __post_init__(self) -> None:
        for name, number in (("size", self.size), ("batch", self.batch), ("rounds", self.rounds)):
            if number < 1:
                raise ValueError(f"{name} is {number}; it must be at least 1")

    def __str__(self) -> str:
        return f"{self.backbone}{', published layout' * self.published}, {self.dtype}"


class Runner:
    """A classifier with its batch and optimiser, ready to run.

    Args:
        job: what to build.
        device: where.
    """

    def __init__(self, job: Job, device: torch.device) -> None:
        torch.manual_seed(0)
        backbone = create_backbone(job.backbone, activation=job.activation, width=job.width)
        self.model = Classifier(backbone, job.classes).to(device)
        if job.published:
            publish(self.model)
        self.images = torch.randn(job.batch, backbone.in_channels, job.size, job.size, device=device)
        if job.channels_last:
            self.model.to(memory_format=torch.channels_last)
            self.images = self.images.contiguous(memory_format=torch.channels_last)
        self.labels = torch.arange(job.batch, device=device) % job.classes
        self.optimiser = torch.optim.SGD(self.model.parameters(), _RATE, _MOMENTUM, weight_decay=_DECAY)
        kept, dtype = job.dtype == "float32", getattr(torch, job.dtype)
        self._autocast = partial(torch.autocast, device.type, torch.bfloat16 if kept else dtype, enabled=not kept)
        self.loss = torch.zeros(())

    def train(self) -> None:
        """One training step."""
        self.model.train()
        with self._autocast():
            self.loss = F.cross_entropy(self.model(self.images), self.labels)
        self.loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()

    def infer(self) -> None:
        """One inference."""
        self.model.eval()
        with torch.no_grad(), self._autocast():
            self.model(self.images)


def has_attention(backbone: str) -> bool:
    """Whether a registered backbone has vector attention, and so a published layout of it."""
    return any(stage.kind == "san" for stage in backbone_spec(backbone).stages)


def measure_memory(job: Job, settings: Settings) -> dict[str, Any]:
    """Measure the peak memory of one row, weights included, in a fresh process that is used for nothing else.

    Returns:
        MiB of an inference and of a training step, and how they were measured, ready for JSON.

    Raises:
        ValueError: if the backbone does not take the job's numbers.
    """
    if settings.device.type == "cpu":
        large_blocks_apart()
    with settings.applied():
        _load_code(job, settings.device)
        peak = PeakMemory(settings.device)
        own = Runner(job, settings.device)
        mib = {way: _peak(call, peak) for way, call in (("infer", own.infer), ("train", own.train))}
        return {"peak_mib": mib, "memory": peak.how}


def measure_time(job: Job, settings: Settings) -> dict[str, Any]:
    """Measure the times of one row beside ResNet26's, in a fresh process.

    Returns:
        The job, what it ran on, parameters, MACs, times and ratios, ready for JSON.

    Raises:
        FloatingPointError: if the loss is not finite at the end: such numbers can take another time.
        ValueError: if the backbone does not take the job's numbers.
    """
    with settings.applied():
        own = Runner(job, settings.device)
        beside = Runner(replace(job, backbone=BASELINE, published=False), settings.device)
        times = {way: _times(own, beside, way, job.rounds, settings.device) for way in ("train", "infer")}
        cost = count(own.model, job.size, job.size)
        if not own.loss.isfinite():
            raise FloatingPointError(
                f"{job}: the loss is {own.loss.item()} after {job.rounds} rounds; nothing is recorded"
            )
        return {
            "job": asdict(job),
            "machine": describe(settings.device),
            "parameters": cost.parameters,
            "macs": cost.macs,
            **times,
        }


def _load_code(job: Job, device: torch.device) -> None:
    """Take every step once in small, or the code that is loaded for it would count as the backbone's memory."""
    small = Runner(replace(job, width=min(job.width, 0.25), batch=2), device)
    small.infer()
    small.train()


def _peak(call: Callable[[], None], peak: PeakMemory) -> float | None:
    """Peak memory of a call that has been made before: of a training step, with the optimiser's state."""
    peak.restart()
    for _ in range(_WARM_UP):
        call()
    mib = peak.mib()
    return None if mib is None else round(mib, 1)


def _times(own: Runner, beside: Runner, way: str, rounds: int, device: torch.device) -> dict[str, Any]:
    """Times of one way, ``train`` or ``infer``, of both; their ratio, round by round; images a second."""
    calls = {"own": getattr(own, way), BASELINE: getattr(beside, way)}
    for call in calls.values():
        for _ in range(_WARM_UP):
            call()
    found = take_turns({name: partial(_step, call, device) for name, call in calls.items()}, rounds)
    times = {name: steps[0] for name, steps in found.items()}
    timing = Timing.of(times["own"])
    return {
        "ms": timing.record(),
        f"{BASELINE}_ms": Timing.of(times[BASELINE]).record(),
        "relative": Timing.of(list(map(truediv, times["own"], times[BASELINE]))).record(),
        "images_per_second": round(len(own.images) / timing.median * 1e3, 2),
    }


def _step(call: Callable[[], None], device: torch.device) -> list[float]:
    return [wall_clock(call, device)]
