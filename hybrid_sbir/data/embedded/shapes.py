"""The classes of the embedded set and who models each."""

from collections.abc import Callable

import numpy as np

from hybrid_sbir.data.embedded import animals, fruit, furniture, home, plants, tools, vehicles, vessels, worn
from hybrid_sbir.data.embedded.parts import Shape

MODELS: dict[str, Callable[[np.random.Generator], Shape]] = {
    "airplane": vehicles.airplane,
    "apple": fruit.apple,
    "banana": fruit.banana,
    "bicycle": vehicles.bicycle,
    "bird": animals.bird,
    "book": home.book,
    "bottle": vessels.bottle,
    "bus": vehicles.bus,
    "butterfly": animals.butterfly,
    "car": vehicles.car,
    "cat": animals.cat,
    "chair": furniture.chair,
    "clock": furniture.clock,
    "cup": vessels.cup,
    "fish": animals.fish,
    "flower": plants.flower,
    "glasses": worn.glasses,
    "guitar": tools.guitar,
    "hat": worn.hat,
    "house": home.house,
    "key": tools.key,
    "lamp": furniture.lamp,
    "leaf": plants.leaf,
    "mushroom": fruit.mushroom,
    "pear": fruit.pear,
    "sailboat": vehicles.sailboat,
    "scissors": tools.scissors,
    "shoe": worn.shoe,
    "snail": animals.snail,
    "teapot": vessels.teapot,
    "tree": plants.tree,
    "umbrella": tools.umbrella,
}
CLASSES: tuple[str, ...] = tuple(MODELS)


def draw_shape(name: str, rng: np.random.Generator) -> Shape:
    """One object of a class; the generator decides sub-type, parts and proportions.

    Raises:
        ValueError: the set has no such class.
    """
    if name not in MODELS:
        raise ValueError(f"no class {name!r} in the embedded set; it has {', '.join(CLASSES)}")
    return MODELS[name](rng)
