import numpy as np
import pytest

from hybrid_sbir.data.embedded import CLASSES
from hybrid_sbir.data.embedded.parts import TONES
from hybrid_sbir.data.embedded.pose import Pose
from hybrid_sbir.data.embedded.shapes import draw_shape


def test_enough_classes_in_alphabetical_order():
    assert len(CLASSES) >= 24
    assert list(CLASSES) == sorted(set(CLASSES))


@pytest.mark.parametrize("name", CLASSES)
def test_every_object_is_well_made_and_no_two_are_alike(name):
    counts, extents = set(), set()
    for seed in range(25):
        shape = draw_shape(name, np.random.default_rng(seed))
        assert shape.spin > 0
        for part in shape.parts:
            assert part.path.ndim == 2
            assert part.path.shape[1] == 2
            assert len(part.path) >= (3 if part.width is None else 2)
            assert np.isfinite(part.path).all()
            assert np.abs(part.path).max() < 1.7
            assert part.tone in TONES
            assert 0 <= part.detail <= 0.5
            assert part.width is None or 0.01 <= part.width <= 0.2
        everything = np.concatenate([part.path for part in shape.parts])
        extent = np.ptp(everything, axis=0)
        assert 1.0 < extent.max() < 3.0
        assert min(part.detail for part in shape.parts) < 0.1  # something of it is always drawn
        counts.add(len(shape.parts))
        extents.add(tuple(np.round(extent, 3)))
    assert len(counts) >= 2
    assert len(extents) >= 20


def test_unknown_classes_are_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no class 'zebra' in the embedded set; it has airplane, apple"):
        draw_shape("zebra", np.random.default_rng(0))


def test_poses_place_the_object_on_the_canvas_with_the_extent_they_say():
    for seed in range(60):
        rng = np.random.default_rng(seed)
        shape = draw_shape(CLASSES[seed % len(CLASSES)], rng)
        pose = Pose.draw(rng, shape.spin, (0.5, 0.9))
        points = np.concatenate([part.path for part in pose.applied(shape)])
        assert np.ptp(points, axis=0).max() == pytest.approx(pose.extent)
        assert points.min() > -1e-9
        assert points.max() < 1 + 1e-9
