"""A small index for the tests of queries: a model with attention, and photos in folders."""

import numpy as np
import torch
from PIL import Image, ImageDraw

from hybrid_sbir.cli import main
from hybrid_sbir.encoding.model_file import write_model_file
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.models import TwoBranch

SIDE = 32


def write_model(path, backbone="hib_pair_2_2", strokes=None):
    torch.manual_seed(0)
    branches = TwoBranch(backbone, 4, width=0.0625, stem="tiny", embedding_size=8)
    preparation = {
        "sketch": Preparation("sketch_square_eval", SIDE, 3, strokes),
        "photo": Preparation("photo_eval", SIDE, 3),
    }
    write_model_file(path, branches, preparation)
    return path


def write_photos(folder, count=12, classes=3, seed=0):
    rng = np.random.default_rng(seed)
    for number in range(count):
        file = folder / f"class{number % classes}" / f"{number:02}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 50, 3), np.uint8)).save(file)
    return folder


def write_index(folder, model, photos):
    main(["index", "--model", str(model), "--photos", str(photos), "--out", str(folder)])
    return folder


def circle(size=64, ink=0, paper=255):
    image = Image.new("L", (size, size), paper)
    ImageDraw.Draw(image).ellipse((size // 4, size // 4, 3 * size // 4, 3 * size // 4), outline=ink, width=3)
    return image
