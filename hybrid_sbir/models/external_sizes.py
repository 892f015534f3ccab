"""Which images a model of another library takes, and how large its maps are: found out on a skeleton without numbers.

Shapes: H, W image size in pixels.
"""

import copy
from typing import Any

import torch
from torch import nn

from hybrid_sbir.models.external_parts import Parts, as_map


class Sizes:
    """Sizes of maps by size of image, each found out once.

    Args:
        stem: of the model.
        stages: of the model.
        ending: of the model.
        parts: tells the layout of the maps.
        in_channels: channels of the image.
    """

    def __init__(
        self, stem: nn.Module, stages: nn.ModuleList, ending: nn.Module, parts: Parts, in_channels: int
    ) -> None:
        self._parts, self._channels, self._smallest = parts, in_channels, 0
        self._found: dict[tuple[int, int], list[tuple[int, int]] | str] = {}
        modules = nn.ModuleList([stem, stages, ending])
        numbers = [*modules.parameters(), *modules.buffers()]
        hollow = {id(each): _hollow(each) for each in numbers}
        self._skeleton: Any = copy.deepcopy(modules, hollow).to("meta").eval()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Sizes":
        return self  # nothing of it changes with the model's weights

    def maps(self, height: int, width: int) -> list[tuple[int, int]] | str:
        """Return the size of each stage's map, or why the model does not take such an image."""
        key = height, width
        if key not in self._found:
            self._found[key] = self._run(*key)
        return self._found[key]

    def takes(self, side: int) -> bool:
        """Whether the model takes square images of a side."""
        return not isinstance(self.maps(side, side), str)

    def smallest(self) -> int:
        """Side of the smallest square image that was found to fit.

        Sought among multiples of 14 and 16, which patches and windows want, and then between them by halves.
        """
        if not self._smallest:
            default = self._parts.default_size
            sides = sorted({*range(14, default, 14), *range(16, default, 16)})
            taken = next((side for side in sides if self.takes(side)), default)
            refused = max((side for side in sides if side < taken), default=0)
            while taken - refused > 1:
                middle = (taken + refused) // 2
                refused, taken = (refused, middle) if self.takes(middle) else (middle, taken)
            self._smallest = taken
        return self._smallest

    @torch.no_grad()
    def _run(self, height: int, width: int) -> list[tuple[int, int]] | str:
        stem, stages, ending = self._skeleton
        try:
            x = stem(torch.empty(1, self._channels, height, width, device="meta"))
            sizes = []
            for stage in stages:
                x = stage(x)
                rows, columns = as_map(x, self._parts, height, width).shape[2:]
                sizes.append((rows, columns))
            ending(x)
        except Exception as error:  # every family refuses a size in its own way
            return str(error).partition("\n")[0] or type(error).__name__
        return sizes if all(min(size) > 0 for size in sizes) else "a map would be empty"


def _hollow(numbers: torch.Tensor) -> torch.Tensor:
    """A tensor's shape without its numbers; large models are not copied for it."""
    hollow = numbers.detach().to("meta")
    return nn.Parameter(hollow, requires_grad=False) if isinstance(numbers, nn.Parameter) else hollow
