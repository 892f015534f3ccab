"""The non-local block (Wang et al., CVPR 2018) as the thesis modified it: thinner keys, subsampled; four forms.

Shapes: N batch, C channels, H, W size, P = H * W positions, Q = (H // 2) * (W // 2) positions after subsampling,
D = C / 8 channels of theta and phi (C in the Gaussian form, which has neither), M = C / 4 channels of g.
"""

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from hybrid_sbir.models.squeeze_excitation import recalibration

Form = Literal["dot", "gaussian", "embedded", "concatenation"]
FORMS: tuple[Form, ...] = ("dot", "gaussian", "embedded", "concatenation")

KEY_REDUCTION = 8
VALUE_REDUCTION = 4


def dot_product_attention(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """y[p] = 1/Q * sum over q of (theta[p] . phi[q]) * g[q]: Wang et al., eq. 1 with eq. 4.

    There is no softmax between the two products, so they may be taken in either order; the cheaper one is taken.

    Args:
        theta: (N, D, P).
        phi: (N, D, Q).
        g: (N, M, Q).

    Returns:
        (N, M, P).
    """
    (d, p), (m, q) = theta.shape[1:], g.shape[1:]
    scaled = phi / q
    if p * q * (d + m) <= d * m * (p + q):
        return g @ (scaled.transpose(1, 2) @ theta)
    return (g @ scaled.transpose(1, 2)) @ theta


def gaussian_attention(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """y[p] = sum over q of softmax_q(theta[p] . phi[q] / sqrt(D)) * g[q]: eq. 2 and 3.

    The paper has no sqrt(D), its authors' code has: without it new weights attend to one position only.

    Args:
        theta: (N, D, P).
        phi: (N, D, Q).
        g: (N, M, Q).

    Returns:
        (N, M, P).
    """
    query, key, value = (t.transpose(1, 2).unsqueeze(1) for t in (theta, phi, g))
    return F.scaled_dot_product_attention(query, key, value).squeeze(1).transpose(1, 2)


def concatenation_attention(theta: Tensor, phi: Tensor, g: Tensor) -> Tensor:
    """y[p] = 1/Q * sum over q of relu(theta[p] + phi[q]) * g[q]: what is left of eq. 5 after w_f.

    Args:
        theta: (N, 1, P), theta times its half of w_f.
        phi: (N, 1, Q), phi times the other half.
        g: (N, M, Q).

    Returns:
        (N, M, P).
    """
    weight = F.relu(theta + phi.transpose(1, 2)) / phi.shape[2]
    return g @ weight


_ATTENTION: dict[Form, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "dot": dot_product_attention,
    "gaussian": gaussian_attention,
    "embedded": gaussian_attention,
    "concatenation": concatenation_attention,
}


class Concatenated(nn.Conv1d):
    """The vector w_f of eq. 5: [theta, phi] -> a number, which is a sum of one half's and the other's.

    Args:
        keys: D.
    """

    def __init__(self, keys: int) -> None:
        super().__init__(2 * keys, 1, 1, bias=False)

    def halves(self, theta: Tensor, phi: Tensor) -> tuple[Tensor, Tensor]:
        """Map (N, D, P) and (N, D, Q) to (N, 1, P) and (N, 1, Q)."""
        left, right = self.weight.chunk(2, 1)
        return F.conv1d(theta, left), F.conv1d(phi, right)


class NonLocalBlock(nn.Module):
    """Every position attends to all positions of a map subsampled 2x2; the result is added to the input.

    In the post-activation order a batch norm that starts at zero ends the branch, so that a new block is the identity
    (Wang et al., section 4.1). In the pre-activation order bn - relu stand before the projections and before the last
    convolution, and nothing starts at zero.

    Args:
        channels: C, a multiple of 8; kept.
        preactivate: whether to use the pre-activation order.
        form: how two positions are compared (section 3.2): ``"dot"``, ``"gaussian"``, ``"embedded"`` (Gaussian) or
            ``"concatenation"``.
        squeeze: reduction of a Squeeze-and-Excitation before the sum, 0 for none.
    """

    def __init__(self, channels: int, preactivate: bool, form: Form = "dot", squeeze: int = 0) -> None:
        super().__init__()
        self.form: Form = form
        keys, values = channels // KEY_REDUCTION, channels // VALUE_REDUCTION
        self.norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU()) if preactivate else nn.Identity()
        self.theta, self.phi = (nn.Identity() if form == "gaussian" else nn.Conv2d(channels, keys, 1) for _ in range(2))
        self.relate = Concatenated(keys) if form == "concatenation" else None
        self.g = nn.Conv2d(channels, values, 1)
        if preactivate:
            self.out = nn.Sequential(nn.BatchNorm2d(values), nn.ReLU(), nn.Conv2d(values, channels, 1))
        else:
            self.out = nn.Sequential(nn.Conv2d(values, channels, 1), nn.BatchNorm2d(channels))
        self.squeeze = recalibration(channels, squeeze)

    def reset_residual(self) -> None:
        """Start as the identity, in the post-activation order."""
        if isinstance(self.out[-1], nn.BatchNorm2d):
            nn.init.zeros_(self.out[-1].weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape; H and W at least 2."""
        y = self.norm(x)
        phi, g = (F.max_pool2d(project(y), 2).flatten(2) for project in (self.phi, self.g))
        theta = self.theta(y).flatten(2)
        if self.relate is not None:
            theta, phi = self.relate.halves(theta, phi)
        attended = _ATTENTION[self.form](theta, phi, g)
        return self.squeeze(self.out(attended.unflatten(2, x.shape[-2:]))) + x

    @property
    def compared_channels(self) -> int:
        """Products that the comparison of two positions takes: D; none in the concatenation, which adds."""
        if self.form == "concatenation":
            return 0
        return self.g.in_channels if self.form == "gaussian" else self.g.in_channels // KEY_REDUCTION
