"""Colours of a photo, drawn alike for every class, in the OKLCH space so that lightness and hue vary evenly.

Colours are sRGB in [0, 1], (3,) float32. OKLCH: Ottosson 2020, "A perceptual color space for image processing".
"""

from dataclasses import dataclass

import numpy as np

from hybrid_sbir.data.embedded.parts import TONES

Colour = np.ndarray


def oklch(lightness: float, chroma: float, hue: float) -> Colour:
    """A colour by lightness in [0, 1], chroma (0 grey, 0.2 vivid) and hue in turns, clipped to sRGB."""
    a, b = chroma * np.cos(2 * np.pi * hue), chroma * np.sin(2 * np.pi * hue)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    linear = np.array(
        [
            4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
            -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
            -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
        ]
    ).clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return encoded.astype(np.float32)


@dataclass(frozen=True)
class Palette:
    """The colours of one picture.

    Attributes:
        tones: colour of each tone of an object's parts, in the order of TONES, (tones, 3).
        ground: three colours for what lies behind, from far to near, (3, 3).
    """

    tones: np.ndarray
    ground: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Palette":
        """Random colours that harmonise; the object differs from the ground in lightness or hue."""
        hue, scheme = rng.uniform(0, 1), rng.choice([0.04, 0.1, 0.33, 0.5, 0.58])
        lightness = rng.uniform(0.48, 0.84)
        other = lightness + rng.choice([-1.0, 1.0]) * rng.uniform(0.14, 0.28)
        other = other if 0.35 < other < 0.92 else 2 * lightness - other
        colours = {
            "main": oklch(lightness, rng.uniform(0.08, 0.19), hue),
            "second": oklch(other, rng.uniform(0.05, 0.17), hue + scheme),
            "dark": oklch(rng.uniform(0.2, 0.34), rng.uniform(0.0, 0.05), hue + scheme),
            "light": oklch(rng.uniform(0.9, 0.97), rng.uniform(0.0, 0.04), hue + rng.uniform(-0.1, 0.1)),
            "metal": oklch(rng.uniform(0.62, 0.8), rng.uniform(0.0, 0.03), rng.uniform(0, 1)),
            "glass": oklch(rng.uniform(0.5, 0.86), rng.uniform(0.03, 0.08), rng.uniform(0.5, 0.75)),
        }
        return cls(np.stack([colours[tone] for tone in TONES]), cls._ground(rng, lightness, hue))

    @staticmethod
    def _ground(rng: np.random.Generator, lightness: float, hue: float) -> np.ndarray:
        apart = rng.uniform(0.14, 0.4) * (-1 if lightness > 0.6 and rng.random() < 0.6 else 1)
        base = float(np.clip(lightness + apart, 0.3, 0.94))
        away = hue + rng.uniform(0.25, 0.75)
        shades = [base + rng.uniform(-0.02, 0.08), base, base - rng.uniform(0.04, 0.14)]
        spread = rng.uniform(-0.12, 0.12)
        return np.stack([oklch(s, rng.uniform(0.01, 0.09), away + spread * k) for k, s in enumerate(shades)])
