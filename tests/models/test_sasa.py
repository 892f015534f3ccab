"""Local attention against unfolded windows and a loop: values, gradients, borders, types, and what it stores."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from hybrid_sbir.models.sasa import LocalAttention, _WindowLogits


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make(channels=16, heads=2, kernel_size=3, dtype=torch.float64):
    torch.manual_seed(0)
    return LocalAttention(channels, heads, kernel_size).to(dtype)


def unfolded(module, x):
    """The whole attention with every window gathered: (N, D, G, K, P) tensors, a mask, softmax, a sum."""
    k, heads, (height, width) = module.kernel_size, module.heads, x.shape[2:]

    def gathered(t):
        return F.unfold(t, k, padding=k // 2).view(x.shape[0], -1, heads, k * k, height * width)

    query = module.query(x).flatten(2).unflatten(1, (-1, heads)).unsqueeze(3)
    half = module.rows.shape[0]
    offsets = torch.cat([module.rows[..., :, None].expand(half, heads, k, k), module.columns[..., None, :].expand(
        half, heads, k, k)]).flatten(2)  # fmt: skip
    logits = (query * (gathered(module.key(x)) + offsets[None, ..., None])).sum(1) / (2 * half) ** 0.5
    inside = F.unfold(torch.ones_like(x[:1, :1]), k, padding=k // 2).bool()
    weights = logits.masked_fill(~inside, -torch.inf).softmax(2)
    return (weights.unsqueeze(1) * gathered(module.value(x))).sum(3).flatten(1, 2).unflatten(2, (height, width))


def looped(module, x):
    """One position, one head, one neighbour after the other, straight from the equation."""
    query, key, value = (project(x) for project in (module.query, module.key, module.value))
    (height, width), heads, reach = x.shape[2:], module.heads, module.kernel_size // 2
    y = torch.zeros_like(query)
    for head in range(heads):
        q, k, v = (t[:, head::heads] for t in (query, key, value))
        half = q.shape[1] // 2
        for i in range(height):
            for j in range(width):
                logits, values = [], []
                for a in range(max(0, i - reach), min(height, i + reach + 1)):
                    for b in range(max(0, j - reach), min(width, j + reach + 1)):
                        offset = torch.cat([
                            module.rows[:, head, a - i + reach], module.columns[:, head, b - j + reach]
                        ])  # fmt: skip
                        logits.append((q[:, :, i, j] * (k[:, :, a, b] + offset)).sum(1) / (2 * half) ** 0.5)
                        values.append(v[:, :, a, b])
                weights = torch.stack(logits).softmax(0)
                y[:, head::heads, i, j] = (weights.unsqueeze(2) * torch.stack(values)).sum(0)
    return y


SIZES = [(3, 5, 4), (7, 5, 9), (7, 2, 3), (3, 1, 1), (7, 1, 1), (1, 4, 4)]


@pytest.mark.parametrize(("kernel_size", "height", "width"), SIZES)
def test_values_and_gradients_agree_with_unfolded_windows(kernel_size, height, width):
    """Down to maps much smaller than the window: a neighbour outside the map does not exist."""
    module, x = make(kernel_size=kernel_size), noise(2, 16, height, width).requires_grad_()
    weight = noise(2, 16, height, width, seed=1)
    sources = [x, *module.parameters()]
    got, want = module(x), unfolded(module, x)
    torch.testing.assert_close(got, want)
    mine, other = (torch.autograd.grad((y * weight).sum(), sources) for y in (got, want))
    for ours, theirs in zip(mine, other, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_values_agree_with_a_loop():
    module, x = make(heads=4), noise(2, 16, 4, 5)
    torch.testing.assert_close(module(x), looped(module, x))


def test_a_neighbour_outside_the_map_has_no_weight():
    """On a single position the attention is its value, whatever the tables say."""
    module, x = make(kernel_size=7), noise(3, 16, 1, 1)
    torch.testing.assert_close(module(x), module.value(x))


@pytest.mark.parametrize(("kernel_size", "height", "width"), [(3, 3, 2), (5, 2, 2)])
def test_gradients_of_the_logits(kernel_size, height, width):
    query, key = (noise(2, 4, height, width, seed=seed).requires_grad_() for seed in (1, 2))
    assert torch.autograd.gradcheck(lambda q, k: _WindowLogits.apply(q, k, 2, kernel_size), (query, key))


def test_gradients_of_the_whole():
    module, x = make(channels=4, heads=2), noise(1, 4, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(module, (x,), atol=1e-6)
    names = [name for name, _ in module.named_parameters()]

    def of_parameters(*values):
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x.detach(),))

    assert torch.autograd.gradcheck(of_parameters, tuple(module.parameters()))


class Largest(TorchDispatchMode):
    """The largest tensor that any operator makes."""

    numel = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                Largest.numel = max(Largest.numel, tensor.untyped_storage().nbytes() // tensor.element_size())
        return out


def test_no_tensor_is_as_large_as_the_windows():
    """What is largest are the logits, K numbers a head: 49 / 8 of a map for heads of 8 channels, not 49 maps."""
    module, x = make(channels=32, heads=4, kernel_size=7, dtype=torch.float32), noise(4, 32, 8, 8).float()
    Largest.numel = 0
    with Largest():
        module(x).sum().backward()
    assert Largest.numel == x.numel() * 49 // 8


def test_logits_under_autocast_are_summed_in_float32():
    module, x = make(dtype=torch.float32), noise(2, 16, 6, 6, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = module(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), module(x), rtol=0.05, atol=0.02)
    y.float().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.dtype == torch.float32 for p in module.parameters())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_types(dtype):
    module, x = make(dtype=torch.float32), noise(2, 16, 6, 6, dtype=torch.float32)
    want = module(x)
    torch.testing.assert_close(module.to(dtype)(x.to(dtype)).float(), want, rtol=0.05, atol=0.02)


def test_channels_last_and_an_empty_batch():
    module, x = make(), noise(2, 16, 5, 6)
    torch.testing.assert_close(module(x.to(memory_format=torch.channels_last)), module(x))
    assert module(x[:0]).shape == (0, 16, 5, 6)
