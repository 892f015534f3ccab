"""The papers' formulas as loops over plain numbers: slow, obvious, and without a line of the package."""

import math


def squared(left, right):
    return sum((a - b) ** 2 for a, b in zip(left, right, strict=True))


def dot(left, right):
    return sum(a * b for a, b in zip(left, right, strict=True))


def cosine(left, right):
    return dot(left, right) / math.sqrt(dot(left, left) * dot(right, right))


def contrastive(sketch, photo, different, margin):
    """Equations 2.8 and 2.9."""
    total = 0.0
    for s, p, y in zip(sketch, photo, different, strict=True):
        total += 0.5 * (1 - y) * squared(s, p) + 0.5 * y * max(0.0, margin - squared(s, p))
    return total / len(sketch)


def hard_negative(sketch, photo, sketch_label, photo_label, margin):
    apart = [
        math.sqrt(squared(s, p))
        for s, a in zip(sketch, sketch_label, strict=True)
        for p, b in zip(photo, photo_label, strict=True)
        if a != b
    ]
    hardest = sorted(apart)[: len(sketch) // 2]
    rows = zip(sketch, photo, sketch_label, photo_label, strict=True)
    terms = [squared(s, p) for s, p, a, b in rows if a == b] + [max(0.0, margin - d) ** 2 for d in hardest]
    return 0.5 * sum(terms) / len(terms) if terms else 0.0


def triplet(sketch, positive, negative, margin):
    """Equation 2.10."""
    rows = zip(sketch, positive, negative, strict=True)
    return sum(0.5 * max(0.0, margin + squared(s, p) - squared(s, n)) for s, p, n in rows) / len(sketch)


def plain_triplet(sketch, positive, negative, margin):
    rows = zip(sketch, positive, negative, strict=True)
    terms = [max(0.0, margin + math.sqrt(squared(s, p)) - math.sqrt(squared(s, n))) for s, p, n in rows]
    return sum(terms) / len(terms)


def of_pairs(loss, anchor, anchor_label, reference, reference_label, own=None):
    """Call ``loss(similarities to positives, to negatives)`` for each anchor; ``own`` are places left out."""
    found = []
    for place, (a, label) in enumerate(zip(anchor, anchor_label, strict=True)):
        kept = [r for r in range(len(reference)) if own is None or r != own[place]]
        positive = [cosine(a, reference[r]) for r in kept if reference_label[r] == label]
        negative = [cosine(a, reference[r]) for r in kept if reference_label[r] != label]
        found.append(loss(positive, negative))
    return found


def supervised_contrastive(positive, negative, temperature):
    """Equation 2 of Khosla et al.; None for an anchor that does not take part."""
    if not positive or not negative:
        return None
    norm = sum(math.exp(s / temperature) for s in positive + negative)
    return -sum(math.log(math.exp(s / temperature) / norm) for s in positive) / len(positive)


def multi_similarity(positive, negative, alpha, beta, base, epsilon):
    """Equations 9 to 11 of Wang et al.: mining, then weighting; 0 for an anchor of which nothing is left."""
    if not positive or not negative:
        return 0.0
    kept_positive = [s for s in positive if s - epsilon < max(negative)]
    kept_negative = [s for s in negative if s + epsilon > min(positive)]
    if not kept_positive or not kept_negative:
        return 0.0
    pull = math.log(1 + sum(math.exp(-alpha * (s - base)) for s in kept_positive)) / alpha
    return pull + math.log(1 + sum(math.exp(beta * (s - base)) for s in kept_negative)) / beta


def mean(values):
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else 0.0


def proxy_anchor(embedding, label, proxies, margin, alpha):
    """Equation 4 of Kim et al."""
    pull = push = 0.0
    for number, proxy in enumerate(proxies):
        alike = [cosine(e, proxy) for e, at in zip(embedding, label, strict=True) if at == number]
        other = [cosine(e, proxy) for e, at in zip(embedding, label, strict=True) if at != number]
        pull += math.log(1 + sum(math.exp(-alpha * (s - margin)) for s in alike))
        push += math.log(1 + sum(math.exp(alpha * (s + margin)) for s in other))
    return pull / len(set(label)) + push / len(proxies)


def both_ways(loss, sketch, photo, sketch_label, photo_label):
    """Mean of the two directions; ``loss`` is one of lists of similarities."""
    there = of_pairs(loss, sketch, sketch_label, photo, photo_label)
    back = of_pairs(loss, photo, photo_label, sketch, sketch_label)
    return (mean(there) + mean(back)) / 2


def among_all(loss, sketch, photo, sketch_label, photo_label):
    """All embeddings against all others."""
    both, label = sketch + photo, sketch_label + photo_label
    return mean(of_pairs(loss, both, label, both, label, range(len(both))))
