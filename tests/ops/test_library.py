"""The operators as PyTorch's own machinery sees them: opcheck, compile, export, vmap, autocast, meta, FLOP counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hybrid_sbir import ops
from hybrid_sbir.ops.library import geometry as as_arguments
from hybrid_sbir.ops.operators import OPERATORS
from tests.ops.arguments import make_arguments

NAMES = [op.name for op in OPERATORS]
ROWS = {op.name: op for op in OPERATORS}
GEOMETRY = {"kernel_size": 3, "stride": 2, "padding_mode": "zeros"}


def call(name, geometry=None):
    return lambda *tensors: getattr(ops, name)(*tensors, **(geometry or GEOMETRY))


def as_list(out):
    return [out] if isinstance(out, torch.Tensor) else list(out)


def arguments(name, size=(5, 6), requires_grad=False, **options):
    return [t.requires_grad_(requires_grad) for t in make_arguments(name, GEOMETRY, size, **options)]


def gradients(function, tensors):
    tensors = [t.detach().clone().requires_grad_() for t in tensors]
    out = as_list(function(*tensors))
    sum(t.square().sum() for t in out if t.requires_grad).backward()
    return [*out, *(t.grad for t in tensors)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("positions_inner", [False, True])
def test_opcheck(name, positions_inner):
    """Schema, autograd registration, fake results with their strides, and AOT dispatch with symbolic sizes."""
    tensors = arguments(name)
    if positions_inner:
        if name not in ("aggregation", "softmax_aggregation"):
            pytest.skip("only weights have a second layout")
        tensors[1] = tensors[1].permute(0, 3, 2, 1).contiguous().permute(0, 3, 2, 1)
    tensors = [t.requires_grad_() for t in tensors]
    torch.library.opcheck(getattr(torch.ops.hybrid_sbir, name), (*tensors, *as_arguments(ops.Window(**GEOMETRY))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("needed", [True, False])
def test_opcheck_of_the_gradients(name, needed):
    row, tensors = ROWS[name], dict(zip(ROWS[name].inputs, arguments(name), strict=True))
    results = dict(zip(row.results, as_list(call(name)(*tensors.values())), strict=True))
    grads = [torch.randn_like(results[g]) for g in row.graded]
    saved = [(tensors | results)[s] for s in row.saved]
    size = next(iter(tensors.values())).shape[-2:]
    shape = as_arguments(ops.Window(**GEOMETRY))
    wanted = [needed, *[not needed] * (len(row.inputs) - 1)]
    operator = getattr(torch.ops.hybrid_sbir, f"{name}_backward")
    torch.library.opcheck(operator, (*grads, *saved, list(size), *shape, wanted))


@pytest.mark.parametrize("name", NAMES)
def test_compiles_into_one_graph_for_any_batch(name):
    torch._dynamo.reset()
    compiled = torch.compile(call(name), fullgraph=True, dynamic=True, backend="aot_eager")
    for batch in (2, 3, 4):
        tensors = arguments(name, batch=batch)
        for a, b in zip(gradients(compiled, tensors), gradients(call(name), tensors), strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", NAMES)
def test_exports_with_a_batch_of_any_size(name):
    class Module(torch.nn.Module):
        def forward(self, *tensors):
            return call(name)(*tensors)

    batch = torch.export.Dim("batch", min=1, max=64)
    shared = {"position", "hidden", "scale", "shift", "output", "bias"} - (
        {"hidden"} if name == "patch_attention" else set()
    )
    dims = tuple({} if t in shared else {0: batch} for t in ROWS[name].inputs)
    program = torch.export.export(Module(), tuple(arguments(name)), dynamic_shapes={"tensors": dims})
    assert any("hybrid_sbir" in str(node.target) for node in program.graph.nodes)
    tensors = arguments(name, batch=5)
    for a, b in zip(as_list(program.module()(*tensors)), as_list(call(name)(*tensors)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batched", ["all", "first", "last"])
@pytest.mark.parametrize("dim", [0, 1])
def test_vmap_is_a_loop(name, batched, dim):
    several = [arguments(name, seed=seed) for seed in range(3)]
    count = len(several[0])
    chosen = {"all": range(count), "first": [0], "last": [count - 1]}[batched]
    stacked = [torch.stack([s[i] for s in several], dim) if i in chosen else several[0][i] for i in range(count)]
    in_dims = tuple(dim if i in chosen else None for i in range(count))
    found = as_list(torch.vmap(call(name), in_dims)(*stacked))
    for j in range(3):
        one = as_list(call(name)(*[several[j][i] if i in chosen else several[0][i] for i in range(count)]))
        for a, b in zip(found, one, strict=True):
            torch.testing.assert_close(a[j], b)


@pytest.mark.parametrize("name", NAMES)
def test_meta_tensors_have_the_results_sizes(name):
    tensors = arguments(name)
    real, fake = gradients(call(name), tensors), gradients(call(name), [t.to("meta") for t in tensors])
    assert [(t.shape, t.dtype, t.stride()) for t in real] == [(t.shape, t.dtype, t.stride()) for t in fake]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_mixed_types_as_autocast_mixes_them(name, half):
    """Maps in half, parameters and softmax in float32: each result in its own input's type, near single precision."""
    tensors = [t.float() for t in arguments(name)]
    mixed = [
        t.to(half) if i == 0 or n in ("phi", "psi") else t
        for i, (t, n) in enumerate(zip(tensors, ROWS[name].inputs, strict=True))
    ]
    rounded = [t.float() for t in mixed]
    with torch.autocast("cpu", half):
        found = gradients(call(name), mixed)
    expected = gradients(call(name), rounded)
    assert [g.dtype for g in found[-len(mixed) :]] == [t.dtype for t in mixed]
    scale = max(b.norm() for b in expected)  # some gradients are sums that cancel to nothing, as a softmax's bias
    for a, b in zip(found, expected, strict=True):
        assert (a.float() - b).norm() <= 2 * torch.finfo(half).eps * scale


@pytest.mark.parametrize("name", NAMES)
def test_two_runs_give_the_same_bits(name):
    tensors = [t.float() for t in arguments(name)]
    for a, b in zip(gradients(call(name), tensors), gradients(call(name), tensors), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.parametrize("name", NAMES)
def test_only_the_gradients_asked_for(name):
    for wanted in range(len(ROWS[name].inputs)):
        some, every = arguments(name), arguments(name, requires_grad=True)
        some[wanted].requires_grad_()
        for tensors in (some, every):
            sum(t.sum() for t in as_list(call(name)(*tensors)) if t.requires_grad).backward()
        torch.testing.assert_close(some[wanted].grad, every[wanted].grad)
        assert all(t.grad is None for i, t in enumerate(some) if i != wanted)


@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_of_a_gradient_is_refused(name):
    tensors = arguments(name, requires_grad=True)
    out = as_list(call(name)(*tensors))[0]
    (grad,) = torch.autograd.grad(out.square().sum(), tensors[0], create_graph=True)
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        grad.sum().backward()


@pytest.mark.parametrize("name", NAMES)
def test_a_forward_mode_derivative_is_refused_rather_than_zero(name):
    tensors = tuple(arguments(name))
    with pytest.raises(RuntimeError, match=f"{name} has no forward-mode derivative"):
        torch.func.jvp(call(name), tensors, tensors)


MACS = {  # N=2 samples, K=9 neighbours, P=9 positions of a 5 x 6 map at stride 2; sizes as in arguments.py
    "aggregation": 2 * 6 * 9 * 9,
    "softmax_aggregation": 2 * 6 * 9 * 9,
    "subtraction": 0,
    "pair_relation": 2 * 2 * 3 * 9 * 9,
    "pair_moments": 2 * 2 * 3 * 9 * 9,
    "pair_attention": 2 * (4 * 3 + 2 * 4 + 6) * 9 * 9,
    "patch_relation": 2 * 4 * 3 * 10 * 9,
    "patch_attention": 2 * (2 * 9 * 4 + 9 * 6) * 9,
}
AGAIN = {
    "pair_moments": 2 * 2 * 3 * 9 * 9,
    "pair_attention": 2 * (4 * 3 + 2 * 4) * 9 * 9,
    "patch_attention": 2 * 2 * 9 * 4 * 9,
}


@pytest.mark.parametrize("name", NAMES)
def test_flops_are_counted_on_the_meta_device(name):
    tensors = [t.to("meta").requires_grad_() for t in arguments(name)]
    with FlopCounterMode(display=False) as counter:
        out = as_list(call(name)(*tensors))
    assert counter.get_total_flops() == 2 * MACS[name]
    with FlopCounterMode(display=False) as counter:
        sum(t.sum() for t in out if t.requires_grad).backward()
    assert counter.get_total_flops() == 2 * (2 * MACS[name] + AGAIN.get(name, 0))


def test_tensors_of_other_types_and_devices_are_refused():
    x, weight = arguments("aggregation")
    with pytest.raises(ValueError, match=r"weight is torch.int64; attention works on float16"):
        ops.aggregation(x, weight.long(), **GEOMETRY)
    with pytest.raises(ValueError, match=r"weight is on meta, x on cpu; move both to one device"):
        ops.aggregation(x, weight.to("meta"), **GEOMETRY)
