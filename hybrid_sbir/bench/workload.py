"""A forward and a backward pass to be measured: of an operator, or of a SAN block, as one of the contenders does it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from hybrid_sbir.bench import operators
from hybrid_sbir.bench.machine import Settings
from hybrid_sbir.bench.memory import large_blocks_apart, peak_of
from hybrid_sbir.bench.operators import Contender
from hybrid_sbir.bench.published import publish
from hybrid_sbir.bench.sizes import Size, differentiable_results
from hybrid_sbir.bench.timing import Clock
from hybrid_sbir.models.san import Attention, SANBlock

BLOCKS: dict[str, Attention] = {"pairwise_block": "pairwise", "patchwise_block": "patchwise"}
CHANNELS_LAST: Contender = "ours, channels last"
STORED: Contender = "ours, relations stored"


@dataclass(frozen=True)
class Task:
    """What is measured, in words and numbers, so that another process can build it.

    Attributes:
        name: an operator, or one of ``BLOCKS``.
        contender: who does it.
        size: the map.
        dtype: type of an operator's tensors; of a block's under autocast, its weights stay in float32.
    """

    name: str
    contender: Contender
    size: Size
    dtype: torch.dtype

    def __str__(self) -> str:
        return f"{self.name} ({self.contender}) at {self.size}, batch {self.size.batch}"


class Workload:
    """The passes of a task, on tensors of its own. Nothing is computed when it is made.

    Args:
        task: what to build.
        device: where.
    """

    def __init__(self, task: Task, device: torch.device) -> None:
        self.task = task
        self._call, self.inputs, shapes = (_block if task.name in BLOCKS else _operator)(task, device)
        self.gradients = [torch.randn(shape, device=device).to(task.dtype) for shape in shapes]

    def forward(self) -> list[Tensor]:
        """Compute the results that carry gradients."""
        results = self._call()
        return [y for y in ([results] if isinstance(results, Tensor) else results) if y.requires_grad]

    def backward(self, results: list[Tensor]) -> tuple[Tensor, ...]:
        """Compute the gradients of all inputs."""
        gradients = [g.to(y.dtype) for g, y in zip(self.gradients, results, strict=True)]
        return torch.autograd.grad(results, self.inputs, gradients)

    def both(self) -> tuple[list[Tensor], tuple[Tensor, ...]]:
        """Compute the results and the gradients; what the forward pass stored is freed as autograd does it."""
        results = self.forward()
        return results, self.backward(results)

    def timed(self, clock: Clock) -> list[float]:
        """Milliseconds of a forward and of a backward pass."""
        forward, results = clock.milliseconds(self.forward, (self.task, "forward"))
        backward, _ = clock.milliseconds(lambda: self.backward(results), (self.task, "backward"))
        return [forward, backward]


def peak_memory(task: Task, settings: Settings) -> float | None:
    """Peak memory of forward and backward in MiB, beyond the inputs: results and gradients are in it.

    To be called in a fresh process on a CPU. A pass over a single sample comes first, so that code is loaded.
    """
    if settings.device.type == "cpu":
        large_blocks_apart()
    with settings.applied():
        one = task if task.contender == "compiled" else replace(task, size=replace(task.size, batch=1))
        Workload(one, settings.device).both()
        return peak_of(Workload(task, settings.device).both, settings.device)


Parts = tuple[Callable[[], Any], list[Tensor], list[tuple[int, ...]]]


def _operator(task: Task, device: torch.device) -> Parts:
    """The operator as a function, its arguments, the shapes of the differentiable results."""
    inputs = operators.arguments(task.name, task.size, device, task.dtype, task.contender == CHANNELS_LAST)
    function = operators.function(task.name, task.contender, task.size.kernel_size)
    results = differentiable_results(task.name, task.size)
    return lambda: function(*inputs), inputs, results


def _block(task: Task, device: torch.device) -> Parts:
    """A block in training, its image and weights, the shape of its result."""
    torch.manual_seed(0)
    size = task.size
    block: Any = SANBlock(size.block_channels, BLOCKS[task.name], size.kernel_size).to(device)
    x = torch.randn(size.batch, size.block_channels, size.side, size.side, device=device)
    if task.contender == CHANNELS_LAST:
        x = x.contiguous(memory_format=torch.channels_last)
    if task.contender == STORED:
        block.attention.folded = False
    if task.contender in ("published", "compiled"):
        publish(block)
    if task.contender == "compiled":
        torch.compiler.reset()
        block = torch.compile(block, dynamic=False)
    x.requires_grad_()

    def call() -> Tensor:
        with torch.autocast(device.type, task.dtype, enabled=task.dtype != torch.float32):
            return block(x)

    return call, [x, *block.parameters()], [tuple(x.shape)]
