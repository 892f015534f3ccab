"""The relations' callers and their definitions under one signature, and arguments with any number of channels."""

import torch

from hybrid_sbir.ops import Window, reference
from hybrid_sbir.ops.kernels.cuda import patch_relations, relations

OPERATORS = ["pair_relation", "pair_moments", "patch_relation"]
ALL = (True,) * 5


def arguments(operator, geometry, size, batch=2, relations=3, channels=2, dtype=torch.float64, seed=0):
    """Seeded tensors of R = ``relations`` and S = ``channels``."""
    window = Window(**geometry)
    oh, ow = window.output_size(*size)
    maps, k, p = [(batch, relations, *size)] * 2, window.positions, oh * ow
    columns = (relations, k + 1)
    pair = [*maps, (1, channels, k, p), (channels, relations)]
    shapes = [*maps, columns, columns, (channels, *columns)] if operator == "patch_relation" else pair
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]


def gradients_like(operator, tensors, window, seed=1):
    """Seeded gradients of the operator's results, of the type each result has."""
    generator = torch.Generator().manual_seed(seed)
    results = as_tuple(getattr(reference, operator)(*(t.double() for t in tensors), window))
    dtype = tensors[0].dtype if operator != "pair_moments" else accumulation(tensors)
    return [torch.randn(r.shape, generator=generator, dtype=torch.float64).to(dtype) for r in results]


def accumulation(tensors):
    return torch.float64 if any(t.dtype == torch.float64 for t in tensors) else torch.float32


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def forward(operator, tensors, window):
    """The kernels' results, a tuple."""
    module = patch_relations if operator == "patch_relation" else relations
    return as_tuple(getattr(module, operator)(*tensors, window))


def backward(operator, grads, tensors, window, needed=ALL):
    """The kernels' gradients, one for each of ``tensors``."""
    phi, psi = tensors[:2]
    if operator == "patch_relation":
        return patch_relations.patch_relation_backward(*grads, *tensors, window, needed)
    if operator == "pair_relation":
        return relations.pair_relation_backward(*grads, phi, psi, tensors[3], window, needed[:4])
    mean = relations.pair_moments(*tensors, window)[0]
    return relations.pair_moments_backward(*grads, mean, *tensors, window, needed[:4])


def defined(operator, grads, tensors, window):
    """Results and gradients of the definition, in float64."""
    leaves = [t.double().requires_grad_() for t in tensors]
    results = as_tuple(getattr(reference, operator)(*leaves, window))
    found = torch.autograd.grad(results, leaves, [g.double() for g in grads])
    return tuple(r.detach() for r in results), found


def everything(operator, grads, tensors, window):
    """The kernels' results and gradients, one list."""
    return [*forward(operator, tensors, window), *backward(operator, grads, tensors, window)]
