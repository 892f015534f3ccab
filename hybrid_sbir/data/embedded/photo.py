"""Photos: an object's parts filled, rounded by light, covered with a material, on a background, through a camera.

Everything is drawn on a finer grid and averaged down, so that edges are smooth at any size.
Shapes: S side of the fine grid in pixels; pictures (S, S, 3) float32 in [0, 1].
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from hybrid_sbir.data.embedded.backdrop import draw_backdrop
from hybrid_sbir.data.embedded.palette import Palette, oklch
from hybrid_sbir.data.embedded.parts import TONES, Part
from hybrid_sbir.data.embedded.pose import Pose
from hybrid_sbir.data.embedded.shapes import draw_shape
from hybrid_sbir.data.embedded.texture import coordinates, stretched, surface


@dataclass(frozen=True)
class Light:
    """A lamp far away.

    Attributes:
        direction: where it stands, (3,): right, down, towards the viewer; of length 1.
        ambient: brightness where no direct light falls.
        gloss: strength of the highlight.
    """

    direction: np.ndarray
    ambient: float
    gloss: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Light":
        """A lamp above, left or right."""
        toward = np.array(
            [rng.choice([-1.0, 1.0]) * rng.uniform(0.2, 0.75), -rng.uniform(0.4, 0.9), rng.uniform(0.6, 1.1)]
        )
        return cls(toward / np.sqrt((toward * toward).sum()), rng.uniform(0.4, 0.62), rng.uniform(0.0, 1.0) ** 2 * 0.75)


def render_photo(name: str, rng: np.random.Generator, size: int) -> Image.Image:
    """One photo of a class, RGB, of size x size pixels.

    Raises:
        ValueError: the set has no such class.
    """
    side = size * (3 if size <= 96 else 2)
    shape = draw_shape(name, rng)
    pose = Pose.draw(rng, shape.spin, (0.55, 0.9))
    palette, light = Palette.draw(rng), Light.draw(rng)
    parts = [part for part in pose.applied(shape) if rng.random() >= 0.35 * part.detail]
    tones, relief, seams = _layers(parts, side)
    foot = max(float(part.path[:, 1].max()) for part in parts)
    backdrop = draw_backdrop(rng, palette.ground, foot, side)
    mask = (tones > 0).astype(np.float32)
    scene = backdrop.image * (1 - _shadow(rng, mask, light, backdrop.standing, side))[..., None]
    albedo = _albedo(rng, tones, palette, pose, side) * (1 - np.float32(rng.uniform(0.1, 0.55)) * seams)[..., None]
    body = _lit(albedo, mask, relief, light, side)
    scene = scene + (body - scene) * mask[..., None]
    if rng.random() < 0.22:
        scene = _occluded(rng, scene, palette, side)
    return _camera(rng, scene, size, side)


def _layers(parts: list[Part], side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Each pixel's tone (0 none, else 1 + its place in TONES), its part's height, and whether parts meet there."""
    tones, relief, seams = (Image.new("L", (side, side)) for _ in range(3))
    draw_tone, draw_relief, draw_seam = (ImageDraw.Draw(layer) for layer in (tones, relief, seams))
    thin = max(1, side // 90)
    for number, part in enumerate(parts):
        points = [(float(x), float(y)) for x, y in side * part.path]
        tone, height = 1 + TONES.index(part.tone), 90 + round(165 * (number + 1) / len(parts))
        if part.width is None:
            draw_tone.polygon(points, fill=tone)
            draw_relief.polygon(points, fill=height)
            draw_seam.polygon(points, fill=0)
            draw_seam.line([*points, points[0]], fill=255, width=thin)
            continue
        points = [*points, points[0], points[1]] if part.closed else points
        width = max(2, round(side * part.width))
        for draw, fill in ((draw_tone, tone), (draw_relief, height))[: 2 if part.width > 0.02 else 1]:
            draw.line(points, fill=fill, width=width, joint="curve")
            if width > 3:
                for x, y in (points[0], points[-1]):
                    draw.ellipse([x - width / 2, y - width / 2, x + width / 2, y + width / 2], fill=fill)
    return np.asarray(tones), np.asarray(relief, dtype=np.float32) / 255, np.asarray(seams, dtype=np.float32) / 255


def _smooth(field: np.ndarray, cells: int) -> np.ndarray:
    """The field averaged over so many cells across and drawn smoothly through them."""
    coarse = Image.fromarray(field).resize((cells, cells), Image.Resampling.BILINEAR)
    return stretched(np.asarray(coarse), len(field))


def _albedo(rng: np.random.Generator, tones: np.ndarray, palette: Palette, pose: Pose, side: int) -> np.ndarray:
    x, y = coordinates(side)
    inverse = np.linalg.inv(pose.matrix).astype(np.float32)
    u, v = (inverse[k, 0] * (x - 0.5) + inverse[k, 1] * (y - 0.5) for k in (0, 1))
    bright, mixed = surface(rng, u, v, side)
    colours = np.concatenate([np.zeros((1, 3), np.float32), palette.tones])
    accent = colours[1 + TONES.index(rng.choice(["second", "light", "dark"]))]
    albedo = colours[tones]
    main = tones == 1 + TONES.index("main")
    albedo = albedo + (accent - albedo) * (0.7 * mixed * main)[..., None]
    return albedo * (1 + (bright - 1) * np.where(main, 1.0, 0.5).astype(np.float32))[..., None]


def _lit(albedo: np.ndarray, mask: np.ndarray, relief: np.ndarray, light: Light, side: int) -> np.ndarray:
    """Light on a surface that swells towards the middle of the object and of each part."""
    height = 0.11 * _smooth(mask, 10) + 0.05 * _smooth(relief, 22) + 0.022 * _smooth(relief, 60)
    slope_y, slope_x = np.gradient(height * side)
    length = np.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    lx, ly, lz = light.direction.astype(np.float32)
    facing = np.clip((lz - lx * slope_x - ly * slope_y) / length, 0, 1)
    hx, hy, hz = (light.direction + np.array([0, 0, 1])).astype(np.float32) / np.float32(
        np.sqrt(2 + 2 * light.direction[2])
    )
    glance = np.clip((hz - hx * slope_x - hy * slope_y) / length, 0, 1)
    for _ in range(5):
        glance = glance * glance
    crevice = np.clip(_smooth(relief, 32) - relief, 0, 0.5)
    shade = (np.float32(light.ambient) + np.float32(1.12 - light.ambient) * facing * 1.15) * (1 - 0.9 * crevice)
    return np.clip(albedo * shade[..., None] + (np.float32(light.gloss) * glance)[..., None], 0, 1)


def _shadow(rng: np.random.Generator, mask: np.ndarray, light: Light, standing: bool, side: int) -> np.ndarray:
    """How much light the object takes from what lies behind, (S, S) in [0, 1]."""
    strength, cells = np.float32(rng.uniform(0.25, 0.6)), int(rng.integers(14, 30))
    if standing:
        rows = np.flatnonzero(mask.any(axis=1))
        base = float(rows[-1]) if len(rows) else side - 1.0
        lean, flat = float(light.direction[0] / -light.direction[1]) * 0.6, 0.28
        # A row y of the flattened shadow shows the object's row base - (base - y) / flat, pushed aside by its height.
        matrix = (1.0, -lean / flat, lean * base / flat, 0.0, 1 / flat, base - base / flat)
        thrown = Image.fromarray(mask).transform((side, side), Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST)
    else:
        away = rng.uniform(0.02, 0.07) * side
        dx, dy = light.direction[:2] * away
        thrown = Image.fromarray(mask).transform(
            (side, side), Image.Transform.AFFINE, (1, 0, float(dx), 0, 1, float(dy))
        )
    soft = _smooth(np.asarray(thrown), cells)
    return np.clip(strength * soft + 0.2 * _smooth(mask, 26), 0, 0.8)


def _occluded(rng: np.random.Generator, scene: np.ndarray, palette: Palette, side: int) -> np.ndarray:
    """Something out of focus in front, from one edge of the picture."""
    cover = Image.new("L", (64, 64))
    angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(30, 44)
    x, y = 32 + reach * np.cos(angle), 32 + reach * np.sin(angle)
    radius = rng.uniform(9, 17)
    if rng.random() < 0.5:
        ImageDraw.Draw(cover).ellipse([x - radius, y - radius, x + radius, y + radius], fill=255)
    else:
        ends = [(x - 30 * np.sin(angle), y + 30 * np.cos(angle)), (x + 30 * np.sin(angle), y - 30 * np.cos(angle))]
        ImageDraw.Draw(cover).line([(float(a), float(b)) for a, b in ends], fill=255, width=int(radius))
    soft = np.clip(stretched(np.asarray(cover.reduce(3), dtype=np.float32) / 255, side), 0, 1)
    colour = 0.5 * oklch(rng.uniform(0.3, 0.8), rng.uniform(0.0, 0.1), rng.uniform(0, 1)) + 0.5 * palette.ground[2]
    shaded = colour * (0.9 + 0.2 * coordinates(side)[1])[..., None]
    return scene + (shaded - scene) * soft[..., None]


def _camera(rng: np.random.Generator, scene: np.ndarray, size: int, side: int) -> Image.Image:
    """Exposure, white balance, vignette, focus, noise; averaged down to the final size."""
    x, y = coordinates(side)
    gain = rng.uniform(0.85, 1.12) * (1 + rng.uniform(-0.05, 0.05, 3))
    corners = 1 - np.float32(rng.uniform(0.0, 0.5)) * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
    blur, grainy = rng.uniform(0.0, 1.0) ** 2 * 0.011, rng.uniform(0.0, 1.0) ** 2 * 9.0
    exposed = np.clip(255 * scene * gain.astype(np.float32) * corners[..., None] + 0.5, 0, 255).astype(np.uint8)
    picture = Image.fromarray(exposed).reduce(side // size)
    if blur * size > 0.2:
        picture = picture.filter(ImageFilter.GaussianBlur(blur * size))
    grain = grainy * rng.standard_normal((size, size, 3), dtype=np.float32)
    return Image.fromarray(np.clip(np.asarray(picture, dtype=np.float32) + grain + 0.5, 0, 255).astype(np.uint8))
