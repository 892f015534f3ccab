"""The parts of predictions.npz: order, repeats, thumbnails."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid_sbir.callbacks.predictions import PredictionsFile, _warn_of_broken, in_order, thumbnail
from hybrid_sbir.data.transforms import preset


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


def test_paper_is_white_whatever_the_channels_statistics():
    transform = preset("sketch_square_eval", 8)
    paper = Image.new("L", (8, 8), 255)
    paper.putpixel((3, 3), 0)
    shown = thumbnail(transform(paper), transform)
    assert (shown == np.asarray(paper)[..., None]).all()


def test_a_blank_sheet_is_white():
    assert (thumbnail(torch.full((1, 2, 2), 2.8)) == 255).all()


def test_thumbnails_are_spread_over_a_sorted_data_set(tmp_path):
    trainer = SimpleNamespace(
        predict_dataloaders=SimpleNamespace(dataset=range(9)),
        world_size=1,
        is_global_zero=True,
        default_root_dir=str(tmp_path),
    )
    callback = PredictionsFile(thumbnails=3)
    callback.on_predict_epoch_start(trainer, None)
    index = torch.arange(9)
    batch = SimpleNamespace(index=index, image=index.float()[:, None, None, None].expand(9, 1, 2, 2))
    callback.on_predict_batch_end(trainer, None, {"index": index, "label": index // 3}, batch, 0)
    callback.on_predict_epoch_end(trainer, None)
    with np.load(tmp_path / "predictions.npz") as saved:
        assert saved["thumbnail_rows"].tolist() == [0, 4, 8]
        assert saved["label"][saved["thumbnail_rows"]].tolist() == [0, 1, 2]
        assert saved["thumbnails"].shape == (3, 2, 2, 1)


def test_samples_without_a_prediction_are_named():
    rows = np.array([[0.5, 0.5], [np.nan, np.nan], [1, 0]], np.float32)
    with pytest.warns(UserWarning, match=r"1 of 3 samples are not finite \(indices \[6\]\)"):
        _warn_of_broken({"index": np.array([4, 6, 8]), "probabilities": rows})
