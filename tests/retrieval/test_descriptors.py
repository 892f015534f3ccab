"""Views of images: what is embedded, how often, and what the average is."""

import pytest
import torch

from hybrid_sbir.retrieval import describe
from hybrid_sbir.retrieval.descriptors import views

GENERATOR = torch.Generator().manual_seed(0)
IMAGE = torch.randn(3, 2, 12, 10, generator=GENERATOR)
WEIGHTS = torch.randn(4, 5, generator=GENERATOR)


def embed(image):
    """Something that feels both a mirror image and a scale: the first columns count more, and corners are sharp."""
    ramp = torch.linspace(9, -9, image.shape[3])
    return torch.cat([(image * ramp).mean((2, 3)), image.abs().amax((2, 3))], dim=1) @ WEIGHTS


def unit(rows):
    return rows / rows.norm(dim=1, keepdim=True)


def test_one_view_is_the_embedding_itself():
    assert torch.equal(describe(embed, IMAGE), torch.nn.functional.normalize(embed(IMAGE)))


def test_the_mirror_image_counts_as_much_as_the_image():
    mirrored = torch.stack([image.flip(2) for image in IMAGE])
    expected = unit(unit(embed(IMAGE)) + unit(embed(mirrored)))
    found = describe(embed, IMAGE, mirror=True)
    assert torch.allclose(found, expected, atol=1e-6)
    assert torch.allclose(describe(embed, mirrored, mirror=True), found, atol=1e-6), "a sketch may face either way"
    assert not torch.allclose(describe(embed, mirrored), describe(embed, IMAGE), atol=1e-2)


def test_scales_are_of_the_side_and_each_is_mirrored():
    sizes = [tuple(view.shape[2:]) for view in views(IMAGE, (1, 2**-0.5, 2**0.5), mirror=True)]
    assert sizes == [(12, 10), (12, 10), (8, 7), (8, 7), (17, 14), (17, 14)]
    each = [unit(embed(view)) for view in views(IMAGE, (1, 0.5), mirror=False)]
    assert torch.allclose(describe(embed, IMAGE, (1, 0.5)), unit(each[0] + each[1]), atol=1e-6)


def test_a_smaller_image_is_an_average_and_not_a_selection():
    board = torch.ones(1, 1, 8, 8)
    board[..., ::2, 1::2] = board[..., 1::2, ::2] = 0
    (half,) = views(board, (0.5,), mirror=False)
    assert (half - 0.5).abs().max() < 0.1


def test_views_that_are_too_small_are_padded_with_their_border():
    paper = torch.full((1, 1, 8, 6), 2.8)
    paper[..., 3:5, 2:4] = -0.4
    for view in views(paper, (0.5, 1), mirror=True, smallest=9):
        assert view.shape[2:] == (9, 9)
        border = torch.cat([view[..., 0, :], view[..., -1, :], view[..., 0], view[..., -1]], dim=-1)
        assert torch.allclose(border, torch.tensor(2.8), atol=0.3)
        assert view.min() < 2  # the ink is still there


def test_only_what_is_too_small_is_padded():
    assert [tuple(v.shape[2:]) for v in views(IMAGE, (1, 2), mirror=False, smallest=12)] == [(12, 12), (24, 20)]


def test_embeddings_are_float32_of_norm_one_whatever_the_precision():
    found = describe(lambda image: embed(image.float()).half(), IMAGE.half(), (1, 0.5))
    assert found.dtype == torch.float32
    assert torch.allclose(found.norm(dim=1), torch.ones(3))


def test_no_image():
    assert describe(embed, IMAGE[:0], (1, 0.5), mirror=True).shape == (0, 5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"image": IMAGE[0]}, r"images are \(2, 12, 10\).*give floating point \(N, C, H, W\)"),
        ({"image": IMAGE.byte()}, "torch.uint8"),
        ({"scales": ()}, "scales are .*at least one factor above 0"),
        ({"scales": (1, 0)}, "scales are"),
        ({"scales": (1, 1)}, "each once"),
        ({"scales": (float("nan"),)}, "scales are"),
        ({"scales": (1, 1e9)}, "below 16"),
        ({"smallest": 0}, "smallest is 0; give a number of pixels"),
    ],
)
def test_mistakes_are_refused_in_words(arguments, words):
    with pytest.raises(ValueError, match=words):
        describe(embed, **{"image": IMAGE, **arguments})
