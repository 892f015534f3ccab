"""The non-local block (Wang et al., CVPR 2018) as the thesis modified it: dot product, thinner keys, subsampled.

Shapes: N batch, C channels, H, W size, P = H * W positions, Q = (H // 2) * (W // 2) positions after subsampling,
D = C / 8 channels of theta and phi, M = C / 4 channels of g.
"""

import torch.nn.functional as F
from torch import Tensor, nn

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


class NonLocalBlock(nn.Module):
    """Every position attends to all positions of a map subsampled 2x2; the result is added to the input.

    In the post-activation order a batch norm that starts at zero ends the branch, so that a new block is the identity
    (Wang et al., section 4.1). In the pre-activation order bn - relu stand before the projections and before the last
    convolution, and nothing starts at zero.

    Args:
        channels: C, a multiple of 8; kept.
        preactivate: whether to use the pre-activation order.
    """

    def __init__(self, channels: int, preactivate: bool) -> None:
        super().__init__()
        keys, values = channels // KEY_REDUCTION, channels // VALUE_REDUCTION
        self.norm = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU()) if preactivate else nn.Identity()
        self.theta = nn.Conv2d(channels, keys, 1)
        self.phi = nn.Conv2d(channels, keys, 1)
        self.g = nn.Conv2d(channels, values, 1)
        if preactivate:
            self.out = nn.Sequential(nn.BatchNorm2d(values), nn.ReLU(), nn.Conv2d(values, channels, 1))
        else:
            self.out = nn.Sequential(nn.Conv2d(values, channels, 1), nn.BatchNorm2d(channels))

    def reset_residual(self) -> None:
        """Start as the identity, in the post-activation order."""
        if isinstance(self.out[-1], nn.BatchNorm2d):
            nn.init.zeros_(self.out[-1].weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape; H and W at least 2."""
        y = self.norm(x)
        phi, g = (F.max_pool2d(project(y), 2).flatten(2) for project in (self.phi, self.g))
        attended = dot_product_attention(self.theta(y).flatten(2), phi, g)
        return self.out(attended.unflatten(2, x.shape[-2:])) + x
