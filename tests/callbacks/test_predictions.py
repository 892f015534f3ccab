"""The parts of predictions.npz: order, repeats, thumbnails."""

import numpy as np
import torch

from hybrid_sbir.callbacks.predictions import in_order, thumbnail


def test_parts_come_together_in_order_and_once():
    parts = [{"index": np.array(index), "label": np.array(index) * 10} for index in ([4, 1], [0, 4], [2])]
    joined = in_order(parts)
    assert joined["index"].tolist() == [0, 1, 2, 4]
    assert joined["label"].tolist() == [0, 10, 20, 40]


def test_thumbnails_undo_the_normalisation():
    pixels = torch.randint(0, 256, (3, 5, 7), generator=torch.Generator().manual_seed(0))
    pixels[0, 0, 0], pixels[1, 0, 0] = 0, 255
    normalised = (pixels / 255 - 0.1307) / 0.3081
    assert np.array_equal(thumbnail(normalised), pixels.permute(1, 2, 0).numpy())


def test_a_blank_sheet_is_white():
    assert (thumbnail(torch.full((1, 2, 2), 2.8)) == 255).all()
