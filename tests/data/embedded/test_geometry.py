import numpy as np
import pytest

from hybrid_sbir.data.embedded.geometry import (
    box,
    curve,
    ellipse,
    inside,
    mirrored,
    moved,
    resampled,
    thick,
    turned,
    xy,
)


def lengths(points):
    steps = np.diff(points, axis=0)
    return np.sqrt((steps * steps).sum(axis=1))


@pytest.mark.parametrize("closed", [False, True])
def test_a_curve_passes_through_its_control_points(closed):
    control = np.random.default_rng(0).normal(size=(7, 2))
    points = curve(control, closed=closed, steps=5)
    assert len(points) == (35 if closed else 31)
    np.testing.assert_allclose(points[::5], control, atol=1e-12)


def test_mirrored_outlines_are_symmetric():
    outline = mirrored([(0, -1), (0.5, -0.2), (0.3, 0.8), (0, 1)])
    reflected = outline * (-1, 1)
    nearest = np.abs(outline[:, None] - reflected[None]).sum(axis=2).min(axis=1)
    assert nearest.max() < 1e-9
    assert len(mirrored([(0.2, -1), (0.5, 1)], smooth=False)) == 4


def test_inside_agrees_with_half_planes_and_with_a_ring():
    rng = np.random.default_rng(1)
    points = rng.uniform(-1.5, 1.5, (500, 2))
    diamond = xy([1, 0, -1, 0], [0, 1, 0, -1])
    np.testing.assert_array_equal(inside(points, diamond), np.abs(points).sum(axis=1) < 1)
    radius = np.sqrt((points * points).sum(axis=1))
    clear = np.abs(radius - 0.9) > 0.02
    np.testing.assert_array_equal(inside(points, ellipse(0, 0, 0.9))[clear], radius[clear] < 0.9)


def test_inside_knows_notches():
    notched = xy([-1, 0, 1, 1, -1], [-1, 0.5, -1, 1, 1])
    assert inside(xy([0, 0, 0.9], [0.8, 0.0, 0.0]), notched).tolist() == [True, False, True]


def test_resampled_paths_keep_corners_ends_and_length():
    corner = xy([0, 1, 1], [0, 0, 1])
    points = resampled(corner, 0.3)
    assert lengths(points).max() <= 0.35
    assert lengths(points).sum() == pytest.approx(2)
    assert any((points == [1, 0]).all(axis=1))
    ring = resampled(corner, 0.3, closed=True)
    np.testing.assert_array_equal(ring[0], ring[-1])
    assert lengths(ring).sum() == pytest.approx(2 + np.sqrt(2))


def test_bands_have_their_thickness():
    band = thick(xy([0, 1, 2], [0, 0, 0]), [0.1, 0.3])
    np.testing.assert_allclose(band, xy([0, 1, 2, 2, 1, 0], [0.1, 0.2, 0.3, -0.3, -0.2, -0.1]), atol=1e-12)


def test_boxes_stay_within_their_sides():
    for radius in (0.0, 0.1, 5.0):
        outline = box(-1, -0.5, 1, 0.5, radius)
        np.testing.assert_allclose(outline.min(axis=0), (-1, -0.5), atol=1e-12)
        np.testing.assert_allclose(outline.max(axis=0), (1, 0.5), atol=1e-12)


def test_turning_and_moving():
    quarter = turned(xy([2], [1]), np.pi / 2, about=(1, 1))
    np.testing.assert_allclose(quarter, [[1, 2]], atol=1e-12)  # clockwise on screen, y down
    np.testing.assert_array_equal(moved(xy([2], [1]), -1, 1), [[1, 2]])
