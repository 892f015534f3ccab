"""The cross-batch memory: the library's over a stream, loops, resuming bit by bit, moves, and what it must not hold."""

import copy
import io
from functools import partial

import pytest
import torch
from pytorch_metric_learning import losses

from hybrid_sbir.losses import CrossBatchMemory, MultiSimilarity, SupervisedContrastive
from tests.losses import oracle
from tests.losses.batches import batch, gradients, lists

SUPCON = partial(oracle.supervised_contrastive, temperature=0.1)
MINED = partial(oracle.multi_similarity, alpha=2.0, beta=50.0, base=0.5, epsilon=0.1)


def stream(batches, **settings):
    """Batches of other sizes each, as a gathered last batch may be."""
    return [batch(3 + seed % 3, 2 + seed % 4, seed=seed, **settings) for seed in range(batches)]


def memory(loss=None, size=11, **settings):
    return CrossBatchMemory(loss or SupervisedContrastive(), 5, size, **settings).double()


def saved(module):
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize(("loss", "formula"), [(SupervisedContrastive, SUPCON), (MultiSimilarity, MINED)])
def test_as_a_loop_over_a_stream(loss, formula):
    """The newest 11 of each domain, the batch itself among them."""
    remembering, past = memory(loss()), ([], [], [], [])
    for one in stream(8):
        past = [old + new for new, old in zip(lists(*one), past, strict=True)]
        sketches, photos, sketch_labels, photo_labels = (each[-11:] for each in past)
        sketch, photo, sketch_label, photo_label = lists(*one)
        there = oracle.mean(oracle.of_pairs(formula, sketch, sketch_label, photos, photo_labels))
        back = oracle.mean(oracle.of_pairs(formula, photo, photo_label, sketches, sketch_labels))
        assert remembering(*one).item() == pytest.approx((there + back) / 2, rel=1e-9)


@pytest.mark.parametrize(("loss", "formula"), [(SupervisedContrastive, SUPCON), (MultiSimilarity, MINED)])
def test_within_domains_an_anchor_is_not_its_own_positive(loss, formula):
    remembering, past = memory(loss(within=True)), ([], [], [], [])
    for one in stream(8):
        past = [old + new for new, old in zip(lists(*one), past, strict=True)]
        sketches, photos, sketch_labels, photo_labels = (each[-11:] for each in past)
        sketch, photo, sketch_label, photo_label = lists(*one)
        own = [len(sketches) - len(sketch) + place for place in range(len(sketch))]
        own += [len(sketches) + len(photos) - len(photo) + place for place in range(len(photo))]
        expected = oracle.of_pairs(
            formula, sketch + photo, sketch_label + photo_label, sketches + photos, sketch_labels + photo_labels, own
        )
        assert remembering(*one).item() == pytest.approx(oracle.mean(expected), rel=1e-9)


def test_equals_the_librarys_memory():
    """Two of them, one of photos and one of sketches, over a stream that wraps around."""
    theirs = [losses.CrossBatchMemory(losses.SupConLoss(0.1), 5, 11) for _ in range(2)]
    ours = memory()

    def expected(sketch, photo, sketch_label, photo_label):
        both, label = torch.cat([sketch, photo]), torch.cat([sketch_label, photo_label])
        is_photo = torch.arange(len(both)) >= len(sketch)
        queues = zip(theirs, (is_photo, ~is_photo), strict=True)
        return sum(queue(both, label, enqueue_mask=mask) for queue, mask in queues) / 2

    for seed in range(9):  # every anchor has a positive and a negative; the library counts some without
        one = batch(5, 4 + seed % 3, classes=2, seed=seed, dtype=torch.float32)
        found, other = gradients(ours, *one), gradients(expected, *one)
        assert torch.allclose(found[0], other[0], rtol=1e-5)
        for grad, wanted, embedding in zip(found[1:], other[1:], one[:2], strict=True):
            tangent = grad - (grad * embedding).sum(1, keepdim=True) * embedding
            assert torch.allclose(tangent, wanted, rtol=1e-4, atol=1e-6)


def test_the_librarys_memory_would_not_resume():
    """Why there is one of our own: with another version that resumes, this fails, and ours can go."""
    first = losses.CrossBatchMemory(losses.SupConLoss(), 5, 20)
    second = losses.CrossBatchMemory(losses.SupConLoss(), 5, 20)
    sketch, photo, sketch_label, photo_label = batch(dtype=torch.float32)
    first(photo, photo_label)
    second.load_state_dict(first.state_dict())
    assert first(sketch, sketch_label) != second(sketch, sketch_label)


@pytest.mark.parametrize("at", [1, 3, 6])
@pytest.mark.parametrize("warmup", [0, 4])
def test_a_resumed_run_goes_on_bit_by_bit(at, warmup):
    batches, whole = stream(9), memory(warmup_steps=warmup)
    values = [whole(*one) for one in batches]
    part = memory(warmup_steps=warmup)
    for one in batches[:at]:
        part(*one)
    resumed = memory(warmup_steps=warmup)
    resumed.load_state_dict(saved(part))
    assert [resumed(*one) for one in batches[at:]] == values[at:]
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_the_state_is_all_there_is():
    state = memory(size=11).state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in state.items()} == {
        "steps": (),
        "sketches.embedding": (11, 5),
        "sketches.label": (11,),
        "photos.embedding": (11, 5),
        "photos.label": (11,),
    }


def test_memory_holds_no_graph_and_no_more_than_its_size():
    remembering = memory()
    for sketch, photo, *label in stream(6):
        remembering(sketch.requires_grad_(), photo.requires_grad_(), *label).backward()
    for buffer in remembering.buffers():
        assert not buffer.requires_grad
        assert buffer.untyped_storage().nbytes() == buffer.numel() * buffer.element_size()


def test_steps_may_be_accumulated():
    """Memories change between two losses of one backward pass: what the first one needs must not."""
    remembering = memory()
    sketch, photo, *label = batch(4, 4)
    sketch.requires_grad_()
    total = remembering(sketch, photo, *label) + remembering(sketch, photo, *label)
    total.backward()
    assert sketch.grad.isfinite().all()


def test_warming_up_is_the_loss_of_the_batch_alone():
    remembering, plain = memory(warmup_steps=2), SupervisedContrastive()
    first, second, third = stream(3)
    assert remembering(*first) == plain(*first)
    assert remembering(*second) == plain(*second)
    assert remembering(*third) != plain(*third)
    assert (remembering.photos.label != -1).sum() == sum(len(one[1]) for one in (first, second, third))


def test_evaluation_neither_reads_nor_writes():
    remembering, one = memory(), batch(4, 4)
    remembering(*one)
    before = copy.deepcopy(remembering.state_dict())
    remembering.eval()
    other = batch(4, 4, seed=1)
    assert remembering(*other) == SupervisedContrastive()(*other)
    assert all(torch.equal(tensor, before[name]) for name, tensor in remembering.state_dict().items())
    assert not remembering.loss.training


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_memory_follows_the_module_to_another_type(dtype):
    remembering = CrossBatchMemory(SupervisedContrastive(), 5, 11)
    first, second = stream(2, dtype=torch.float32)
    remembering(*first)
    remembering.to(dtype)
    assert remembering.photos.embedding.dtype == dtype
    assert remembering.photos.label.dtype == remembering.steps.dtype == torch.int64
    value = remembering(*second)
    assert value.dtype == torch.float32
    assert value.isfinite()
    assert remembering.photos.embedding.dtype == dtype


def test_memory_follows_the_module_to_another_device():
    remembering = memory().to("meta")
    assert {buffer.device.type for buffer in remembering.buffers()} == {"meta"}


def test_autocast_changes_nothing():
    first, second = stream(2, dtype=torch.float32)
    plain, cast = (CrossBatchMemory(MultiSimilarity(), 5, 11) for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        found = [cast(*first), cast(*second)]
    assert found == [plain(*first), plain(*second)]


def test_inner_parameters_are_the_modules():
    assert "loss.loss.beta" in CrossBatchMemory(learned_margin(), 5, 11).state_dict()


def learned_margin():
    from hybrid_sbir.losses import LibraryLoss

    return LibraryLoss("MarginLoss", {"learn_beta": True})


def test_a_batch_may_fill_the_memory():
    remembering, one = memory(size=10), batch(10, 10)
    assert torch.allclose(remembering(*one), SupervisedContrastive()(*one), rtol=1e-12)
    assert remembering(*batch(0, 0)) == 0


def test_refusals_leave_the_memory_as_it_was():
    remembering = memory(size=8)
    remembering(*batch(4, 4))
    before = copy.deepcopy(remembering.state_dict())
    for wrong, words in ((batch(4, 9), "memory of 8 embeddings of 5"), (batch(4, 4, size=6), r"got \(4, 6\)")):
        with pytest.raises(ValueError, match=words):
            remembering(*wrong)
    assert all(torch.equal(tensor, before[name]) for name, tensor in remembering.state_dict().items())
    for name in ("embedding_size", "size", "warmup_steps"):
        with pytest.raises(ValueError, match=f"{name} is -1; give"):
            CrossBatchMemory(SupervisedContrastive(), **({"embedding_size": 5, "size": 4} | {name: -1}))
