"""The classes must not be told by trivial cues, and yet be learnable."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from hybrid_sbir.data.embedded import CLASSES, EmbeddedStore


def load(domain, split, per_class):
    store = EmbeddedStore(split, domain, per_class=per_class, size=64)
    pixels = np.stack([np.asarray(store.read(index)) for index in range(len(store))])
    pixels = pixels[..., None] if pixels.ndim == 3 else pixels
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(store.labels)


def linear_probe(train, held_out, decay):
    """Top-1 on held-out samples of multinomial logistic regression on standardised features."""
    (features, labels), (others, truth) = train, held_out
    mean, spread = features.mean(0), features.std(0) + 1e-3
    features, others = (features - mean) / spread, (others - mean) / spread
    weight = torch.zeros(features.shape[1], len(CLASSES), requires_grad=True)
    bias = torch.zeros(len(CLASSES), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=40, history_size=8, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = functional.cross_entropy(features @ weight + bias, labels) + decay * weight.square().sum() / 2
        loss.backward()
        return loss

    optimizer.step(closure)
    return float(((others @ weight + bias).argmax(1) == truth).float().mean())


def cues(images):
    """Mean colour, contrast and centre of what is not white, with their squares."""
    ink = 1 - images.mean(1)
    line = torch.linspace(-1, 1, 64)
    total = ink.sum((1, 2)) + 1e-6
    centre = torch.stack([(ink * line).sum((1, 2)) / total, (ink * line[:, None]).sum((1, 2)) / total], 1)
    first = torch.cat([images.mean((2, 3)), images.std((2, 3)), centre], 1)
    return torch.cat([first, first.square()], 1)


def test_a_linear_probe_on_pixels_fails_on_sketches():
    train, held_out = load("sketch", "train", 20), load("sketch", "val", 8)
    flat = [(images.flatten(1), labels) for images, labels in (train, held_out)]
    assert linear_probe(*flat, decay=1.0) < 0.22  # chance is 0.03
    assert linear_probe((cues(train[0]), train[1]), (cues(held_out[0]), held_out[1]), decay=0.01) < 0.16


@pytest.mark.slow
@pytest.mark.parametrize("domain", ["sketch", "photo"])
def test_linear_probes_fail_where_a_small_network_learns(domain):
    train, held_out = load(domain, "train", 100), load(domain, "val", 25)
    flat = [(images.flatten(1), labels) for images, labels in (train, held_out)]
    best = max(linear_probe(*flat, decay=decay) for decay in (0.1, 1.0))
    assert best < 0.25
    assert linear_probe((cues(train[0]), train[1]), (cues(held_out[0]), held_out[1]), decay=0.01) < 0.13
    assert network_accuracy(train, held_out, epochs=15) > 2 * best


def network_accuracy(train, held_out, epochs):
    torch.manual_seed(0)
    images, labels = train
    widths = [images.shape[1], 16, 32, 64, 128]
    layers: list[nn.Module] = [nn.AvgPool2d(2)]
    for before, after in pairwise(widths):
        layers += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    network = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, len(CLASSES)))
    steps = epochs * (len(labels) // 64)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(labels))[: len(labels) // 64 * 64].split(64):
            batch = images[rows].flip(3) if torch.rand(()) < 0.5 else images[rows]
            shift = tuple(torch.randint(-5, 6, (2,)).tolist())
            optimizer.zero_grad()
            functional.cross_entropy(network(batch.roll(shift, (2, 3))), labels[rows], label_smoothing=0.1).backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.no_grad():
        return float((network(held_out[0]).argmax(1) == held_out[1]).float().mean())
