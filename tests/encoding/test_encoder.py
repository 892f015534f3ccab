"""Encoders: what they load without, how many threads they take, and what they refuse."""

import subprocess
import sys

import pytest
import torch

from hybrid_sbir.encoding import load_encoder
from hybrid_sbir.encoding.model_file import write_model_file
from hybrid_sbir.encoding.preparation import Preparation
from hybrid_sbir.encoding.threads import ONE_THREAD, threads_for
from tests.encoding.trained import two_branch

PREPARATION = {"sketch": Preparation("sketch_square_eval", 32, 3), "photo": Preparation("photo_eval", 32, 3)}
LOADING = """
import sys
import torch
from hybrid_sbir.encoding import load_encoder
encoder = load_encoder(sys.argv[1])
assert encoder.embed(torch.zeros(1, 3, 32, 32), "sketch").shape == (1, 8)
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"lightning", "torchmetrics", "torchvision", "wandb"}))
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("file") / "model.safetensors"
    write_model_file(path, two_branch(), PREPARATION)
    return path


def test_a_published_model_is_loaded_without_what_trains(file):
    done = subprocess.run([sys.executable, "-c", LOADING, str(file)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_few_small_images_take_one_thread_and_leave_the_others_as_they_were():
    torch.set_num_threads(2)
    side = int((ONE_THREAD / 4) ** 0.5)
    for count, wanted in ((1, 1), (4, 1), (5, 2)):
        with threads_for(torch.zeros(count, 3, side, side)):
            assert torch.get_num_threads() == wanted
        assert torch.get_num_threads() == 2
    with pytest.raises(RuntimeError), threads_for(torch.zeros(1, 3, side, side)):
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_runtimes_that_are_not_there_are_refused(file):
    with pytest.raises(ValueError, match="auto, torch, onnx"):
        load_encoder(file, runtime="tensorrt")
    with pytest.raises(ValueError, match="hybrid-sbir export"):
        load_encoder(file, runtime="onnx")


@pytest.mark.parametrize("device", ["cuda:99", "nowhere", "meta"])
def test_devices_that_cannot_be_used_are_refused_in_words(file, device):
    with pytest.raises(ValueError, match=f"device '{device}' cannot be used here .*; give cpu"):
        load_encoder(file, device)
