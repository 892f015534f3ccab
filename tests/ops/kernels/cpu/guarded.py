"""Memory that shows what a kernel does wrong: results start as NaN, and both sides of every piece are guarded."""

from contextlib import contextmanager
from math import nan, prod

import pytest
import torch

from hybrid_sbir.ops.kernels.cpu import allocate

GUARD, ZONE = -1234.5, 1024  # of a length that keeps what follows on a cache line


def _piece(shape, dtype, pieces):
    whole = torch.full((prod(shape) + 2 * ZONE,), GUARD, dtype=dtype)
    pieces.append(whole)
    inner = whole[ZONE : ZONE + prod(shape)]
    return inner.fill_(nan).view(shape)


@contextmanager
def guarded():
    """Poison and guard what kernels allocate; on leaving, check that nothing was written outside."""
    pieces, scratch = [], allocate.scratch

    def guarded_scratch(elements, dtype):
        return _piece(scratch(elements, dtype).shape, dtype, pieces)

    def guarded_result(shape, dtype, order=None):
        order = order or tuple(range(len(shape)))
        piece = _piece([shape[i] for i in order], dtype, pieces)
        return piece.permute([order.index(i) for i in range(len(shape))])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(allocate, "result", guarded_result)
        patch.setattr(allocate, "scratch", guarded_scratch)
        yield pieces
    for whole in pieces:
        for zone in (whole[:ZONE], whole[-ZONE:]):
            assert (zone == GUARD).all(), "a kernel wrote outside its memory"
