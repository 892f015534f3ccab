"""Position tables: resampled as a known interpolation does, and the same logits as a loop over pairs of positions."""

import pytest
import torch
import torch.nn.functional as F

from hybrid_sbir.models.positions import AbsolutePositions, RelativePositions, resampling


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("size", "made_for"), [(4, 14), (14, 4), (7, 13), (13, 7), (1, 5), (5, 1), (9, 9)])
def test_resampling_is_the_linear_interpolation_that_widens_where_it_shrinks(size, made_for):
    """PyTorch's own interpolates in two dimensions only: the other has one place."""
    line = noise(1, 1, 1, made_for)
    want = F.interpolate(line, size=(1, size), mode="bilinear", antialias=True)
    torch.testing.assert_close(line[0, 0] @ resampling(size, made_for, like=line).T, want[0, 0])


def test_every_entry_of_a_larger_table_takes_part():
    assert (resampling(3, 27, like=noise(1)) > 0).any(0).all()


@pytest.mark.parametrize("size", [(5, 5), (3, 8), (1, 1)])
def test_absolute_positions_are_added_after_resampling_both_axes(size):
    positions = AbsolutePositions(6, 5).double()
    x = noise(2, 6, *size)
    want = x + F.interpolate(positions.table, size=size, mode="bilinear", antialias=True)
    torch.testing.assert_close(positions(x), want)


def looped(positions, query, height, width):
    """Logits pair by pair, from the tables as they are: for maps of the size that they are made for."""
    samples, heads, places, _ = query.shape
    logits = query.new_zeros(samples, heads, places, places)
    for i in range(places):
        for j in range(places):
            row, column = j // width - i // width, j % width - i % width
            offset = positions.rows[row + height - 1] + positions.columns[column + width - 1]
            logits[:, :, i, j] = query[:, :, i] @ offset
    return logits


def test_relative_logits_agree_with_a_loop():
    positions, query = RelativePositions(6, 4).double(), noise(2, 3, 16, 6)
    torch.testing.assert_close(positions(query, 4, 4), looped(positions, query, 4, 4))


@pytest.mark.parametrize(("height", "width"), [(3, 5), (6, 2), (1, 1)])
def test_for_another_map_the_tables_are_resampled_and_the_centre_stays_the_centre(height, width):
    positions, query = RelativePositions(6, 4).double(), noise(2, 3, height * width, 6)
    other = RelativePositions(6, 1).double()
    for name, size in (("rows", height), ("columns", width)):
        table = resampling(2 * size - 1, 7, like=query) @ getattr(positions, name)
        setattr(other, name, torch.nn.Parameter(table))
    torch.testing.assert_close(positions(query, height, width), looped(other, query, height, width))
    middle = resampling(2 * height - 1, 7, like=query)[height - 1]
    torch.testing.assert_close(middle, middle.flip(0))
    assert middle.argmax() == 3


@pytest.mark.parametrize(("height", "width"), [(3, 3), (2, 4)])
def test_gradients_of_relative_positions(height, width):
    positions, query = RelativePositions(2, 3).double(), noise(1, 2, height * width, 2).requires_grad_()

    def logits(query, rows, columns):
        tables = {"rows": rows, "columns": columns}
        return torch.func.functional_call(positions, tables, (query, height, width))

    assert torch.autograd.gradcheck(logits, (query, positions.rows, positions.columns))
