"""Changes of an image, each by name. All keep the grade of what they are allowed on; see `meaning.py` for where not.

    rotated     turned by up to 12 degrees
    scaled      smaller, on its own background
    cropped     a window of 75 to 95% of each side
    flipped     the mirror image; not where it could be read or has sides
    colour      hue and saturation; not where a colour is meant
    light       brightness and contrast, a little
    background  another plain one, where it is plain
    compressed  as a JPEG of quality 12 to 40

Takes an image in RGB and gives one of the same size. Knows no file and no text.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from scipy import ndimage

from aisle.augment.change import Effect
from aisle.augment.image.meaning import Meaning

MOST_DEGREES = 12.0
PLAIN = 0.6
"""Share of the outermost pixels that must be near their median for a background to count as plain."""
NEAR = 14
"""Levels of 255 by which a background's pixel may differ from its median."""
DOUBTFUL = 40
"""So near to the background, a pixel could be its shadow or the product: with many of them nothing is changed."""
LIGHT = 150
LEAST_BACKGROUND, MOST_BACKGROUND = 0.15, 0.9
Colour = tuple[int, int, int]
_BACKGROUNDS: tuple[Colour, ...] = (
    (255, 255, 255), (246, 244, 240), (229, 229, 232), (214, 221, 228), (226, 214, 200), (198, 190, 184),
)  # fmt: skip


def rotated(image: Image.Image, rng: Random) -> Image.Image | None:
    """Turned a little; the corners are filled with the background's colour."""
    degrees = rng.choice((-1, 1)) * rng.uniform(3.0, MOST_DEGREES)
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=_edge_colour(image))


def scaled(image: Image.Image, rng: Random) -> Image.Image | None:
    """Smaller, anywhere on a plane of the background's colour."""
    share = rng.uniform(0.6, 0.9)
    width, height = max(1, round(image.width * share)), max(1, round(image.height * share))
    plane = Image.new("RGB", image.size, _edge_colour(image))
    place = (rng.randint(0, image.width - width), rng.randint(0, image.height - height))
    plane.paste(image.resize((width, height), Image.Resampling.LANCZOS), place)
    return plane


def cropped(image: Image.Image, rng: Random) -> Image.Image | None:
    """A window around the middle, enlarged."""
    share = rng.uniform(0.75, 0.95)
    width, height = max(1, round(image.width * share)), max(1, round(image.height * share))
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    return image.resize(image.size, Image.Resampling.LANCZOS, box=(left, top, left + width, top + height))


def flipped(image: Image.Image, rng: Random) -> Image.Image | None:
    """Left for right."""
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def colour(image: Image.Image, rng: Random) -> Image.Image | None:
    """Another hue by up to 14 degrees, more or less saturated; None where it has hardly a colour."""
    hue, saturation, value = image.convert("HSV").split()
    if float(np.asarray(saturation).mean()) < 6:
        return None
    shift = rng.choice((-1, 1)) * rng.randint(4, 10)  # of 256
    turned = hue.point([(level + shift) % 256 for level in range(256)])
    share = rng.uniform(0.7, 1.3)
    stronger = saturation.point([min(255, round(level * share)) for level in range(256)])
    return Image.merge("HSV", (turned, stronger, value)).convert("RGB")


def light(image: Image.Image, rng: Random) -> Image.Image | None:
    """Brighter or darker by up to a fifth, with more or less contrast."""
    factor = 1 + rng.choice((-1, 1)) * rng.uniform(0.07, 0.2)
    return ImageEnhance.Contrast(ImageEnhance.Brightness(image).enhance(factor)).enhance(rng.uniform(0.85, 1.15))


def background(image: Image.Image, rng: Random) -> Image.Image | None:
    """Another plain background; None where there is none, or where it cannot be told from the product."""
    mask = _background(image)
    if mask is None:
        return None
    old = _edge_colour(image)
    new = rng.choice([c for c in _BACKGROUNDS if max(abs(a - b) for a, b in zip(c, old, strict=True)) > NEAR])
    soft = Image.fromarray(mask.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(0.8))
    # A light background shines through the product's edge and carries shadows: scaled to the new one both stay right.
    share = np.array(new) / np.array(old) if min(old) > LIGHT else None
    other = Image.new("RGB", image.size, new) if share is None else _scaled_levels(image, share)
    return Image.composite(other, image, soft)


def _scaled_levels(image: Image.Image, share: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(np.asarray(image) * share), 0, 255).astype(np.uint8))


def compressed(image: Image.Image, rng: Random) -> Image.Image | None:
    """As a JPEG of low quality."""
    held = io.BytesIO()
    image.save(held, "JPEG", quality=rng.randint(12, 40))
    with Image.open(held) as again:
        return again.convert("RGB")


def _edge(image: Image.Image) -> NDArray[np.uint8]:
    pixels = np.asarray(image)
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _edge_colour(image: Image.Image) -> Colour:
    red, green, blue = np.median(_edge(image), axis=0).astype(int).tolist()
    return red, green, blue


def _background(image: Image.Image) -> NDArray[np.bool_] | None:
    """Which pixels are the background: near the edge's colour and joined to the edge."""
    colour_of_edge = np.array(_edge_colour(image))
    if (np.abs(_edge(image).astype(int) - colour_of_edge).max(axis=1) <= NEAR).mean() < PLAIN:
        return None
    distance = np.abs(np.asarray(image).astype(int) - colour_of_edge).max(axis=2)
    near = distance <= NEAR
    areas, _ = ndimage.label(near)
    touching = np.unique(np.concatenate([areas[0], areas[-1], areas[:, 0], areas[:, -1]]))
    mask: NDArray[np.bool_] = np.isin(areas, touching[touching > 0])
    if not LEAST_BACKGROUND <= mask.mean() <= MOST_BACKGROUND:
        return None
    # A shadow would stay as a cloud; a product of nearly the background's colour would be eaten into, and be ragged.
    doubtful = ((distance <= DOUBTFUL) & ~mask).mean()
    ragged = (ndimage.binary_closing(~mask, iterations=3) & mask).mean()
    return mask if doubtful < 0.03 and ragged < 0.01 else None


@dataclass(frozen=True, slots=True)
class ImageChange:
    """A change of an image.

    Attributes:
        name: By which commands and provenance call it.
        make: The image changed; None where there is nothing to change.
        of_colour: Whether it changes the product's colours.
        of_sides: Whether it exchanges left and right.
        effect: On the grade, where it is allowed.
    """

    name: str
    make: Callable[[Image.Image, Random], Image.Image | None]
    of_colour: bool = False
    of_sides: bool = False
    effect: Effect = "keeps"

    def refused(self, meaning: Meaning) -> str:
        """Why it must not be made of an image of which this is said; "" where it may."""
        if self.of_colour and meaning.colour:
            return "a colour is meant"
        if self.of_sides and meaning.sided:
            return "it can be read or has sides"
        if (self.of_colour or self.of_sides) and not meaning.known:
            return "nothing is said of it"
        return ""


CHANGES: Mapping[str, ImageChange] = {
    change.name: change
    for change in (
        ImageChange("rotated", rotated),
        ImageChange("scaled", scaled),
        ImageChange("cropped", cropped),
        ImageChange("flipped", flipped, of_sides=True),
        ImageChange("colour", colour, of_colour=True),
        ImageChange("light", light),
        ImageChange("background", background),
        ImageChange("compressed", compressed),
    )
}
