"""One stage in numbers, and what it refuses."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from hybrid_sbir.models.nonlocal_net import FORMS, Form
from hybrid_sbir.models.san import Attention

Kind = Literal["resnet", "basic", "san", "nonlocal", "bot", "sasa", "vit"]
Activation = Literal["pre", "post"]

# Widths that divide into each kind's inner channels: C/4 in a bottleneck, of which a head of bot and sasa takes an even
# number; C/16 and C/4/8 for SAN, C/8 for non-local.
_WIDTH_STEP: dict[str, int] = {"resnet": 4, "basic": 1, "san": 32, "nonlocal": 8, "bot": 8, "sasa": 8, "vit": 2}
_SHRINKING = ("resnet", "basic", "bot", "sasa")  # a stage's first block has a stride and a shortcut that follows it
_INNER = {"bot": 4, "sasa": 4, "vit": 1}  # how many times fewer channels the heads share
_HEADS = {"bot": 4, "sasa": 8, "vit": 64}  # of the papers; ViT's number follows from the size of a head
_HEAD_CHANNELS = {"bot": 8, "sasa": 8, "vit": 64}  # that a head has at least, where the number of heads is not given


@dataclass
class StageSpec:
    """One stage in numbers.

    Attributes:
        kind: of its blocks: ``"resnet"`` (bottlenecks), ``"basic"`` (two 3x3 convolutions), ``"san"`` (local vector
            attention), ``"nonlocal"``, ``"bot"`` (bottlenecks with attention among all positions), ``"sasa"``
            (bottlenecks with local dot-product attention) or ``"vit"`` (transformer blocks).
        width: channels of the stage's map.
        depth: number of blocks; 0 leaves only the transition.
        attention: the attention of a ``"san"`` stage, ``"pairwise"`` or ``"patchwise"``.
        kernel_size: side of the attention's footprint in a ``"san"`` or ``"sasa"`` stage.
        nonlocal_at: which of the blocks, counted from 0, are non-local instead.
        form: of non-local blocks: ``"dot"``, ``"gaussian"``, ``"embedded"`` (Gaussian) or ``"concatenation"``.
        heads: of a ``"bot"``, ``"sasa"`` or ``"vit"`` stage; None for 4, 8, or heads of 64 channels, but fewer where a
            head would have less than 8 (ViT: 64) channels or an odd number.
        position_size: side in positions of the stage's map that the position tables of a ``"bot"`` or ``"vit"`` stage
            are made for; other maps resample them, so any size of image runs.
        squeeze: reduction of a Squeeze-and-Excitation at the end of every block's branch, 16 in its paper; 0 for none.
    """

    kind: Kind
    width: int
    depth: int
    attention: Attention = "pairwise"
    kernel_size: int = 7
    nonlocal_at: Sequence[int] = field(default_factory=tuple)
    form: Form = "dot"
    heads: int | None = None
    position_size: int = 14
    squeeze: int = 0

    def plain(self) -> dict[str, Any]:
        """As plain values, without the later fields where they say nothing: plans of before they existed stay equal."""
        later = {f.name: f.default for f in fields(self) if f.name in _LATER}
        return {name: value for name, value in asdict(self).items() if name not in later or value != later[name]}

    def check(self) -> None:
        """Refuse numbers that no stage can have.

        Raises:
            ValueError: names the number, what is allowed and the nearest choice.
        """
        if self.kind not in _WIDTH_STEP:
            raise ValueError(f"no stage kind '{self.kind}'; there are {', '.join(_WIDTH_STEP)}")
        step = max(_WIDTH_STEP[self.kind], _WIDTH_STEP["nonlocal"] if self.nonlocal_at else 1)
        if self.width < step or self.width % step:
            near = max(step, round(self.width / step) * step)
            raise ValueError(
                f"a {self.kind} stage of width {self.width}: the width must be a multiple of {step}; try {near}"
            )
        if self.depth < 0 or (self.depth == 0 and self.kind in _SHRINKING):
            raise ValueError(
                f"a {self.kind} stage of {self.depth} blocks; a {self.kind} stage needs at least "
                f"{int(self.kind in _SHRINKING)}"
            )
        if self.kind == "san" and self.attention not in ("pairwise", "patchwise"):
            raise ValueError(f"no attention '{self.attention}'; there are pairwise and patchwise")
        if self.kind in ("san", "sasa") and (self.kernel_size < 1 or self.kernel_size % 2 == 0):
            raise ValueError(f"kernel_size is {self.kernel_size}; a footprint has a centre: use an odd number")
        outside = [i for i in self.nonlocal_at if not 0 <= i < self.depth]
        if outside:
            raise ValueError(f"nonlocal_at names blocks {outside}, but the stage has blocks 0 to {self.depth - 1}")
        self._check_effect()
        self._check_attention()

    def _check_effect(self) -> None:
        """Refuse a setting that nothing in the stage would follow."""
        non_local = "a non-local block"
        for name, default, kinds in (
            ("form", "dot", (non_local,)),
            ("heads", None, tuple(_INNER)),
            ("position_size", 14, ("bot", "vit")),
        ):
            follows = self.kind in kinds or (non_local in kinds and (self.kind == "nonlocal" or self.nonlocal_at))
            if getattr(self, name) != default and not follows:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}, which a {self.kind} stage does not use; it is for "
                    f"{', '.join(kinds)}: leave it out"
                )

    def _check_attention(self) -> None:
        """Refuse what the later kinds of attention cannot have."""
        if self.form not in FORMS:
            raise ValueError(f"no non-local form '{self.form}'; there are {', '.join(FORMS)}")
        if self.squeeze < 0:
            raise ValueError(f"squeeze is {self.squeeze}; give the reduction, 16 say, or 0 for none")
        if self.position_size < 1:
            raise ValueError(f"position_size is {self.position_size}; a map has at least 1 position a side")
        if self.heads is not None and self.kind in _INNER:
            shared = self.width // _INNER[self.kind]
            even = 1 if self.kind == "vit" else 2  # the halves of a head's channels that tell rows and columns
            if self.heads < 1 or shared % (even * self.heads):
                allowed = [str(n) for n in range(1, shared + 1) if shared % (even * n) == 0]
                raise ValueError(
                    f"heads is {self.heads}; a {self.kind} stage of width {self.width} shares {shared} channels among "
                    f"its heads: give one of {', '.join(allowed)}, or leave it out"
                )

    @property
    def head_count(self) -> int:
        """Heads of a bot, sasa or vit stage: as given, or the most that the papers and the width allow."""
        if self.heads is not None:
            return self.heads
        shared = self.width // _INNER[self.kind]
        most = max(1, min(_HEADS[self.kind], shared // _HEAD_CHANNELS[self.kind]))
        return next(n for n in range(most, 0, -1) if shared % (2 * n) == 0)

    @property
    def has_transition(self) -> bool:
        """Whether a transition precedes the blocks: always, unless the first of them shrinks by itself."""
        return self.kind not in _SHRINKING or 0 in self.nonlocal_at

    @property
    def smallest_map(self) -> int:
        """Side in positions of the smallest map that the blocks can work on."""
        needs = [1]
        if self.kind == "san" and len(set(self.nonlocal_at)) < self.depth:
            needs.append(self.kernel_size // 2 + 1)
        if self.depth and (self.kind == "nonlocal" or self.nonlocal_at):
            needs.append(2)
        return max(needs)

    def ends_bare(self, activation: Activation) -> bool:
        """Whether the last block leaves its sum without a ReLU, which is then still to come."""
        return activation == "pre" or self.kind not in _SHRINKING


_LATER = ("form", "heads", "position_size", "squeeze")  # fields that files of the first version do not know
