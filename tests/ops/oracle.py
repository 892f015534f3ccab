"""The operators as explicit loops over scalars: slow, and without a line in common with the package's definitions."""

import itertools

import torch


def mirrored(i, size, mode):
    """Where position i of a padded axis comes from; None is a zero."""
    if 0 <= i < size:
        return i
    if mode == "zeros":
        return None
    return -i if i < 0 else 2 * (size - 1) - i


def neighbours(x, kernel_size, stride=1, padding=None, dilation=1, padding_mode="reflect"):
    """Values (N, C, K, P) and the output size, by index arithmetic alone."""
    n, c, h, w = x.shape
    reach = dilation * (kernel_size // 2)
    border = reach if padding is None else padding
    oh, ow = ((s + 2 * border - 2 * reach - 1) // stride + 1 for s in (h, w))
    out = torch.zeros(n, c, kernel_size**2, oh * ow, dtype=x.dtype)
    for oy, ox, ky, kx in itertools.product(range(oh), range(ow), range(kernel_size), range(kernel_size)):
        y = mirrored(oy * stride - border + ky * dilation, h, padding_mode)
        z = mirrored(ox * stride - border + kx * dilation, w, padding_mode)
        if y is not None and z is not None:
            out[:, :, ky * kernel_size + kx, oy * ow + ox] = x[:, :, y, z]
    return out, (oh, ow)


def centre(x, **geometry):
    """The neighbour in the middle of each window, (N, C, P)."""
    return neighbours(x, **geometry)[0][:, :, geometry["kernel_size"] ** 2 // 2]


def aggregation(x, weight, **geometry):
    near, size = neighbours(x, **geometry)
    n, c, k, p = near.shape
    out = torch.zeros(n, c, p, dtype=x.dtype)
    for channel in range(c):
        for j in range(k):
            out[:, channel] += weight[:, channel % weight.shape[1], j] * near[:, channel, j]
    return out.view(n, c, *size)


def subtraction(phi, psi, **geometry):
    near, _ = neighbours(psi, **geometry)
    return torch.stack([centre(phi, **geometry) - near[:, :, k] for k in range(near.shape[2])], 2)


def pair_relation(phi, psi, position, hidden, **geometry):
    difference = subtraction(phi, psi, **geometry).clamp(min=0)
    out = position.expand(len(phi), -1, -1, -1).clone()
    for s, r in itertools.product(*map(range, hidden.shape)):
        out[:, s] += hidden[s, r] * difference[:, r]
    return out


def patch_relation(phi, psi, scale, shift, hidden, **geometry):
    near, _ = neighbours(psi, **geometry)
    out = torch.zeros(len(phi), len(hidden), near.shape[3], dtype=phi.dtype)
    for s, r, k in itertools.product(*map(range, hidden.shape)):
        value = centre(phi, **geometry)[:, r] if k == 0 else near[:, r, k - 1]
        out[:, s] += hidden[s, r, k] * (scale[r, k] * value + shift[r, k]).clamp(min=0)
    return out


def pair_moments(phi, psi, position, hidden, **geometry):
    planes = pair_relation(phi, psi, position, hidden, **geometry).transpose(0, 1).flatten(1)
    mean = torch.stack([plane.sum() / plane.numel() for plane in planes])
    return mean, torch.stack([((p - m) ** 2).sum() / p.numel() for p, m in zip(planes, mean, strict=True)])


def pair_attention(x, phi, psi, position, hidden, scale, shift, output, bias, **geometry):
    z = pair_relation(phi, psi, position, hidden, **geometry)
    logits = bias[None, :, None, None].repeat(len(x), 1, *z.shape[2:])
    for g, s in itertools.product(*map(range, output.shape)):
        logits[:, g] += output[g, s] * (scale[s] * z[:, s] + shift[s]).clamp(min=0)
    weight = logits.exp()
    return aggregation(x, weight / weight.sum(2, keepdim=True), **geometry), weight.sum(2).log()


def patch_attention(x, hidden, output, bias, **geometry):
    weight = bias[None, ..., None].repeat(len(x), 1, 1, hidden.shape[2])
    for g, k, s in itertools.product(*map(range, output.shape)):
        weight[:, g, k] += output[g, k, s] * hidden[:, s]
    return aggregation(x, weight, **geometry)
