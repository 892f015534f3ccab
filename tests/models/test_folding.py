"""The folded attention against its plain modules: in every mode of batch norm, on one process and two, and through
what PyTorch does to modules (hooks, autocast, compile, export, channels-last, double)."""

import copy
import socket

import pytest
import torch
import torch.multiprocessing as mp
from torch import nn

from hybrid_sbir.models.folding import parts_to_fold
from hybrid_sbir.models.san import PairwiseAttention, PatchwiseAttention, SANBlock

KINDS = [PairwiseAttention, PatchwiseAttention]


def make(kind, channels=32, kernel_size=3, dtype=torch.float64):
    """An attention with parameters and running statistics away from where they start, and its plain twin."""
    torch.manual_seed(0)
    module = kind(channels, kernel_size).to(dtype)
    for tensor in module.parameters():
        nn.init.normal_(tensor, std=0.5)
    for name, tensor in module.named_buffers():
        if name.endswith("running_mean"):
            nn.init.normal_(tensor)
        elif name.endswith("running_var"):
            nn.init.uniform_(tensor, 0.5, 2)
    return module, plain_twin(module)


def plain_twin(module):
    twin = copy.deepcopy(module)
    for child in twin.modules():
        if hasattr(child, "folded"):
            child.folded = False
    return twin


def step(module, x, seed=1):
    """Output and every gradient of a weighted sum of it."""
    x = x.detach().clone().requires_grad_()
    y = module(x)
    weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(y)
    module.zero_grad()
    (y * weight).sum().backward()
    return [y, x.grad, *(p.grad for p in module.parameters())]


def assert_agree(module, twin, x, steps=2):
    assert module.folded
    for _ in range(steps):
        for a, b in zip(step(module, x), step(twin, x), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)
    for a, b in zip(module.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(a, b)


def images(n=3, h=4, w=6, channels=32, dtype=torch.float64):
    return torch.randn(n, channels, h, w, generator=torch.Generator().manual_seed(2), dtype=dtype) + 0.5


def frozen(module):
    module.train()
    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.eval()


def half_frozen(module):
    module.train()
    module.relation[0].eval()


def cumulative(module):
    module.train()
    module.relation[0].momentum = module.relation[3].momentum = None


def without_running_statistics(module):
    module.eval()
    for i in (0, 3):
        new = nn.BatchNorm2d(module.relation[i].num_features, track_running_stats=False).double()
        new.load_state_dict({name: getattr(module.relation[i], name) for name in ("weight", "bias")})
        module.relation[i] = new


def without_parameters(module):
    module.train()
    for i in (0, 3):
        module.relation[i] = nn.BatchNorm2d(module.relation[i].num_features, affine=False).double()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("kernel_size", [1, 3, 7])
@pytest.mark.parametrize(
    "mode",
    [nn.Module.train, nn.Module.eval, frozen, half_frozen, cumulative, without_running_statistics, without_parameters],
)
def test_agrees_with_the_plain_modules(kind, mode, kernel_size):
    module, twin = make(kind, kernel_size=kernel_size)
    mode(module), mode(twin)
    assert_agree(module, twin, images())


@pytest.mark.parametrize("kind", KINDS)
def test_agrees_on_the_smallest_map(kind):
    assert_agree(*make(kind, kernel_size=7), images(n=2, h=4, w=4))


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_mean_does_not_drown_the_variance(kind):
    """In float32, against float64: sums of squares of uncentred maps would lose every digit of the variance."""
    module, twin = make(kind)
    with torch.no_grad():
        module.phi.bias += 3000
        module.psi.bias -= 5000
    twin = plain_twin(module)
    a, b = module.float()(images().float()), twin(images())
    torch.testing.assert_close(a.double(), b, rtol=0, atol=0.02 * b.std().item())


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_value_is_no_batch(kind):
    module = kind(32, 1)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        module(images(n=1, h=1, w=1, dtype=torch.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_stores_is_what_the_plain_modules_store(kind):
    module, twin = make(kind)
    assert list(module.state_dict()) == list(twin.state_dict())
    step(module, images())
    assert all(p.grad is not None for p in module.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_hooks_on_the_relation_see_every_layer(kind):
    module, twin = make(kind)
    seen = []
    handle = module.relation[1].register_forward_hook(lambda layer, args, out: seen.append(out))
    torch.testing.assert_close(module(images()), twin(images()))
    assert len(seen) == 1
    handle.remove()
    assert parts_to_fold(module.relation) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_a_relation_of_other_layers_runs_as_it_is(kind):
    module, _ = make(kind)
    module.relation[1] = nn.GELU()
    twin = plain_twin(module)
    torch.testing.assert_close(module(images()), twin(images()), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["class", "instance"])
def test_a_layer_with_a_forward_of_its_own_runs_it(kind, place):
    class Tripled(nn.Conv2d):
        def forward(self, x):
            return 3 * super().forward(x)

    module, twin = make(kind)
    for changed in (module, twin):
        linear = changed.relation[2]
        if place == "class":
            changed.relation[2].__class__ = Tripled
        else:
            linear.forward = lambda x, plain=linear.forward: 3 * plain(x)
    torch.testing.assert_close(module(images()), twin(images()), rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("training", [True, False])
def test_an_empty_batch(kind, training):
    module, twin = make(kind)
    for each in (module, twin):
        each.train(training)
    assert module(images(0)).shape == twin(images(0)).shape
    assert all(t.isfinite().all() for t in step(module, images(0)))
    twin(images(0))
    for a, b in zip(module.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(a, b, equal_nan=True)


@pytest.mark.parametrize("kind", KINDS)
def test_running_statistics_that_are_not_tracked_stay(kind):
    module, twin = make(kind)
    for each in (module, twin):
        each.relation[0].track_running_stats = False
    assert_agree(module, twin, images())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", ["num_batches_tracked", "bias"])
def test_norms_with_a_part_missing(kind, missing):
    module, twin = make(kind)
    for each in (module, twin):
        setattr(each.relation[0], missing, None)
    for a, b in zip([module(images()), *module.buffers()], [twin(images()), *twin.buffers()], strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("spread", [1, 30, 100, 1000])
def test_maps_that_vary_together_keep_their_variance(spread):
    """phi and psi alike and nearly flat within a sample: the variance of their difference is tiny beside their own."""
    module, _ = make(PairwiseAttention, dtype=torch.float32)
    module.psi.load_state_dict(module.phi.state_dict())
    x = spread * torch.randn(8, 32, 1, 1) + 0.1 * torch.randn(8, 32, 6, 6)
    found, expected = module(x), plain_twin(module).double()(x.double())
    torch.testing.assert_close(
        found.double(), expected, rtol=0, atol=0.01 * expected.std().item() * max(1, spread / 100)
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_in_half_precision_trains(kind, dtype):
    module, _ = make(kind, dtype=torch.float32)
    exact, half = step(module, images().float())[0], step(copy.deepcopy(module).to(dtype), images().to(dtype))[0]
    assert half.dtype == dtype
    assert (half.float() - exact).norm() < 0.2 * exact.norm()


@pytest.mark.parametrize("kind", KINDS)
def test_channels_last_input(kind):
    module, _ = make(kind)
    for a, b in zip(step(module, images()), step(module, images().to(memory_format=torch.channels_last)), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", ["pairwise", "patchwise"])
def test_autocast_is_as_near_to_single_precision_as_the_plain_modules(kind):
    torch.manual_seed(0)
    block = SANBlock(64, kind, 3)
    x, twin = torch.randn(4, 64, 6, 6), plain_twin(block)
    exact = step(twin, x)
    with torch.autocast("cpu", torch.bfloat16):
        folded, plain = step(block, x), step(twin, x)
    for a, b, c in list(zip(folded, plain, exact, strict=True))[:2]:
        assert a.dtype == b.dtype
        assert (a.float() - c).norm() < 1.5 * (b.float() - c).norm() + 0.01 * c.norm()


@pytest.mark.parametrize("kind", ["pairwise", "patchwise"])
def test_compiles_into_one_graph(kind):
    torch.manual_seed(0)
    block = SANBlock(64, kind, 3).double()
    torch._dynamo.reset()
    compiled = torch.compile(copy.deepcopy(block), fullgraph=True, backend="aot_eager", dynamic=True)
    for n in (2, 3):
        for a, b in zip(step(compiled, images(n, channels=64)), step(block, images(n, channels=64)), strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("kind", ["pairwise", "patchwise"])
def test_exports_with_a_batch_of_any_size(kind):
    block = SANBlock(64, kind, 3).eval()
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    program = torch.export.export(block, (images(2, channels=64, dtype=torch.float32),), dynamic_shapes=(batch,))
    x = images(5, channels=64, dtype=torch.float32)
    torch.testing.assert_close(program.module()(x), block(x))


CASES = [(kind, first) for kind in KINDS for first in (2, 5)]  # samples of the first of two processes, of five


def _half_a_batch(rank, port, results):
    """One of two processes: its part of five samples, which may be none, through synchronised norms."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"tcp://localhost:{port}", rank=rank, world_size=2)
    for kind, first in CASES:
        module = _synchronised(make(kind)[0])
        x = (images(5)[:first] if rank == 0 else images(5)[first:]).requires_grad_()
        y = module(x)
        y.square().sum().backward()
        for p in module.parameters():
            torch.distributed.all_reduce(p.grad)
        if rank == 0:
            found = [y, x.grad, *(p.grad for p in module.parameters()), *module.buffers()]
            results.put([t.detach().numpy() for t in found])
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def _synchronised(module):
    """Synchronise the norms. PyTorch's own module refuses the CPU, so the one norm that is not folded stays frozen."""
    last = module.relation[3]
    module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
    if isinstance(module, PatchwiseAttention):
        module.relation[3] = last.eval()
    return module


def test_synchronised_statistics_are_the_whole_batchs():
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    context = mp.get_context("spawn")
    results = context.Queue()
    workers = [context.Process(target=_half_a_batch, args=(rank, port, results)) for rank in range(2)]
    for worker in workers:
        worker.start()
    found = [[torch.from_numpy(array) for array in results.get(timeout=120)] for _ in CASES]
    for worker in workers:
        worker.join(60)
    for (kind, first), tensors in zip(CASES, found, strict=True):
        twin = make(kind)[1]
        if kind is PatchwiseAttention:
            twin.relation[3].eval()
        x = images(5).requires_grad_()
        y = twin(x)
        y.square().sum().backward()
        expected = [y[:first], x.grad[:first], *(p.grad for p in twin.parameters()), *twin.buffers()]
        for a, b in zip(tensors, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-9)
