"""Losses of pytorch-metric-learning: the papers' formulas as loops, the library's own values, and where it misleads."""

import io
import subprocess
import sys
from functools import partial

import pytest
import torch
from pytorch_metric_learning import losses, miners

from hybrid_sbir.losses import LibraryLoss, MultiSimilarity, ProxyAnchor
from hybrid_sbir.losses.library import PAIR_LOSSES
from tests.losses import oracle
from tests.losses.batches import batch, gradients, lists

MINED = partial(oracle.multi_similarity, alpha=2.0, beta=50.0, base=0.5, epsilon=0.1)


def proxies_of(seed=0, dtype=torch.float64):
    torch.manual_seed(seed)
    return ProxyAnchor(4, 5).to(dtype)


@pytest.mark.parametrize("seed", range(5))
def test_multi_similarity_as_a_loop(seed):
    one = batch(seed=seed, classes=4)
    assert MultiSimilarity()(*one).item() == pytest.approx(oracle.both_ways(MINED, *lists(*one)), rel=1e-9)
    found = MultiSimilarity(within=True)(*one).item()
    assert found == pytest.approx(oracle.among_all(MINED, *lists(*one)), rel=1e-9)


@pytest.mark.parametrize("settings", [(1.0, 10.0, 1.0, 0.3), (2.0, 40.0, 0.2, 0.0)])
def test_multi_similarity_with_other_settings(settings):
    one = batch(seed=8)
    formula = partial(oracle.multi_similarity, **dict(zip(("alpha", "beta", "base", "epsilon"), settings, strict=True)))
    assert MultiSimilarity(*settings)(*one).item() == pytest.approx(oracle.both_ways(formula, *lists(*one)), rel=1e-9)


def test_multi_similarity_mines_as_the_library_does():
    sketch, photo, sketch_label, photo_label = batch(20, 30, classes=6, seed=4)
    pairs = miners.MultiSimilarityMiner(0.1)(sketch, sketch_label, photo, photo_label)
    expected = losses.MultiSimilarityLoss()(sketch, sketch_label, pairs, photo, photo_label)
    found = MultiSimilarity().against(sketch, sketch_label, photo, photo_label)
    assert torch.allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("kind", PAIR_LOSSES)
@pytest.mark.parametrize("within", [False, True])
def test_every_kind_has_the_librarys_value(kind, within):
    sketch, photo, sketch_label, photo_label = one = batch(12, 15, classes=3, seed=6)
    theirs = getattr(losses, kind)()
    if within:
        expected = theirs(torch.cat([sketch, photo]), torch.cat([sketch_label, photo_label]))
    else:
        expected = theirs(sketch, sketch_label, ref_emb=photo, ref_labels=photo_label)
        expected = (expected + theirs(photo, photo_label, ref_emb=sketch, ref_labels=sketch_label)) / 2
    found, *grads = gradients(LibraryLoss(kind, within=within), *one)
    assert torch.allclose(found, expected, rtol=1e-10)
    assert all(grad.isfinite().all() and grad.any() for grad in grads)


def test_settings_reach_the_library():
    one = batch()
    assert LibraryLoss("SupConLoss", {"temperature": 0.5}).loss.temperature == 0.5
    assert LibraryLoss("CircleLoss", {"gamma": 2})(*one) != LibraryLoss("CircleLoss", {"gamma": 80})(*one)


@pytest.mark.parametrize("build", [MultiSimilarity, partial(LibraryLoss, "CircleLoss")])
def test_one_tensor_of_labels_for_both_sides(build):
    """The library takes it for one set, and leaves out every row's own pair."""
    sketch, photo, label, _ = batch(10, 10)
    assert build()(sketch, photo, label, label) == build()(sketch, photo, label, label.clone())
    misled = losses.SupConLoss()(sketch, label, ref_emb=photo, ref_labels=label)
    assert misled != losses.SupConLoss()(sketch, label, ref_emb=photo, ref_labels=label.clone())


@pytest.mark.parametrize("build", [MultiSimilarity, partial(LibraryLoss, "ContrastiveLoss"), proxies_of])
def test_gradient(build):
    sketch, photo, *label = batch(6, 8)
    loss = build()
    assert torch.autograd.gradcheck(lambda s, p: loss(s, p, *label), (sketch.requires_grad_(), photo.requires_grad_()))


@pytest.mark.parametrize("build", [MultiSimilarity, partial(MultiSimilarity, within=True), proxies_of])
def test_the_order_does_not_matter(build):
    sketch, photo, sketch_label, photo_label = one = batch()
    loss, generator = build(), torch.Generator().manual_seed(0)
    there, back = torch.randperm(7, generator=generator), torch.randperm(10, generator=generator)
    value, at_sketch, at_photo = gradients(loss, *one)
    moved = gradients(loss, sketch[there], photo[back], sketch_label[there], photo_label[back])
    assert torch.allclose(moved[0], value, rtol=1e-12)
    assert torch.allclose(moved[1], at_sketch[there], rtol=1e-10)
    assert torch.allclose(moved[2], at_photo[back], rtol=1e-10)


@pytest.mark.parametrize("build", [MultiSimilarity, partial(LibraryLoss, "NTXentLoss", within=True)])
@pytest.mark.parametrize("case", ["no positive", "no negative", "nothing"])
def test_a_batch_without_pairs_of_a_kind_is_zero(case, build):
    rows = 0 if case == "nothing" else 4
    sketch, photo, *_ = batch(rows, rows)
    first = torch.zeros(rows, dtype=torch.int64) if case == "no negative" else torch.arange(rows)
    value, *found = gradients(build(), sketch, photo, first, first if case == "no negative" else first + rows)
    assert value == 0
    assert all((grad == 0).all() for grad in found)


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("sizes", [(1, 0), (0, 1), (3, 0), (1, 1)])
def test_one_domain_may_be_empty(sizes, within):
    value, *found = gradients(MultiSimilarity(within=within), *batch(*sizes, classes=1))
    assert value == 0
    assert all((grad == 0).all() for grad in found)


@pytest.mark.parametrize("build", [MultiSimilarity, partial(proxies_of, dtype=torch.float32)])
def test_autocast_changes_nothing(build):
    one, loss = batch(dtype=torch.float32), build()
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(*one)
    assert found.dtype == torch.float32
    assert found == loss(*one)


@pytest.mark.parametrize("seed", range(4))
def test_proxies_as_a_loop(seed):
    sketch, photo, sketch_label, photo_label = one = batch(seed=seed)  # no sample of the fourth class
    loss = proxies_of(seed)
    embedding, label = torch.cat([sketch, photo]), torch.cat([sketch_label, photo_label])
    expected = oracle.proxy_anchor(*lists(embedding, label, loss.proxies), 0.1, 32.0)
    assert loss(*one).item() == pytest.approx(expected, rel=1e-10)


def test_proxies_are_trained_and_saved():
    loss, one = proxies_of(), batch()
    assert dict(loss.named_parameters()).keys() == loss.state_dict().keys() == {"loss.proxies"}
    before = loss.proxies.detach().clone()
    optimiser = torch.optim.SGD(loss.parameters(), lr=0.1)
    first = loss(*one)
    first.backward()
    optimiser.step()
    assert (loss.proxies != before).any(dim=1).all()
    assert loss(*one) < first
    file = io.BytesIO()
    torch.save(loss.state_dict(), file)
    file.seek(0)
    other = proxies_of(seed=1)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other(*one) == loss(*one)


def test_proxies_keep_their_type():
    """The library would turn them into the embeddings' type, under the optimiser's feet."""
    loss = proxies_of(dtype=torch.float32)
    for dtype in (torch.bfloat16, torch.float64):
        assert loss(*batch(dtype=dtype)).dtype == torch.float32
        assert loss.proxies.dtype == torch.float32


def test_proxies_of_an_empty_batch_are_zero():
    empty, label = torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64)
    assert proxies_of()(empty, empty, label, label) == 0


def test_refusals():
    with pytest.raises(ValueError, match=r"no loss 'ArcFaceLoss'; there are CircleLoss, .*TupletMarginLoss"):
        LibraryLoss("ArcFaceLoss")
    with pytest.raises(ValueError, match=r"CircleLoss of pytorch-metric-learning does not take \{'n': 1\}"):
        LibraryLoss("CircleLoss", {"n": 1})
    sketch, photo, sketch_label, photo_label = batch()
    with pytest.raises(ValueError, match="proxies for classes 0 to 3; got 0 to 4"):
        proxies_of()(sketch, photo, sketch_label, photo_label + 2)
    with pytest.raises(ValueError, match="proxies have 5 dimensions, the embeddings 4"):
        proxies_of()(sketch[:, :4], photo[:, :4], sketch_label, photo_label)


@pytest.mark.parametrize("build", [MultiSimilarity, partial(LibraryLoss, "CircleLoss"), proxies_of])
def test_a_missing_library_is_explained(build, monkeypatch):
    for name in ("pytorch_metric_learning", "pytorch_metric_learning.losses"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r"not installed: pip install 'hybrid-sbir\[losses\]'"):
        build()


def test_a_broken_library_is_not_called_missing(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("pytorch_metric_learning")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(ModuleNotFoundError, match="tqdm"):
        MultiSimilarity()


def test_the_package_does_not_import_the_library():
    asked = "import sys, hybrid_sbir.losses; print([n for n in sys.modules if n.startswith('pytorch_metric')])"
    out = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
