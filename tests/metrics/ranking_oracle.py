"""Ranking metrics by explicit loops over every order that ties allow: slow and obvious, in exact fractions."""

import itertools
import math
import random
from collections import defaultdict
from fractions import Fraction

METRICS = ("ap", "rr", "p@K", "p@K/min(R,K)", "ap@K/R", "ap@K/K", "ap@K/min(R,K)", "ap@K/hits")


def orders(scores, relevant, ties):
    """Every order of relevance that the scores allow, best score first; one order for "best" and "worst"."""
    groups = defaultdict(list)
    for score, hit in zip(scores, relevant, strict=True):
        groups[score].append(hit)
    choices = []
    for score in sorted(groups, reverse=True):
        size, hits = len(groups[score]), sum(groups[score])
        if ties == "expected":
            places = itertools.combinations(range(size), hits)
        else:
            places = [range(hits)] if ties == "best" else [range(size - hits, size)]
        choices.append([[place in chosen for place in range(size)] for chosen in places])
    for groups_in_order in itertools.product(*choices):
        yield list(itertools.chain(*groups_in_order))


def precisions(order, first):
    found, total = 0, Fraction(0)
    for place, hit in enumerate(order[:first], start=1):
        if hit:
            found += 1
            total += Fraction(found, place)
    return total


def average(numbers):
    numbers = list(numbers)
    return sum(numbers, Fraction(0)) / len(numbers)


def ranking(name, scores, relevant, k, ties="expected"):
    """Value of a metric, its K being ``k``, for one query: its photos' scores, and whether each is relevant."""
    count = sum(relevant)
    if not count:
        return math.nan
    every = list(orders(scores, relevant, ties))
    hits = average(Fraction(sum(order[:k])) for order in every)
    cut = average(precisions(order, k) for order in every)
    value = {
        "ap": lambda: average(precisions(order, len(order)) for order in every) / count,
        "rr": lambda: average(Fraction(1, order.index(True) + 1) for order in every),
        "p@K": lambda: hits / k,
        "p@K/min(R,K)": lambda: hits / min(count, k),
        "ap@K/R": lambda: cut / count,
        "ap@K/K": lambda: cut / k,
        "ap@K/min(R,K)": lambda: cut / min(count, k),
        "ap@K/hits": lambda: cut / hits if hits else Fraction(0),
    }
    return float(value[name]())


def shuffled(values, seed):
    values = list(values)
    random.Random(seed).shuffle(values)
    return values
