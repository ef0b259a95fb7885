"""A picture from a file, as one kind of image whatever the file is; and back, whole or not at all. Knows no change."""

from __future__ import annotations

import warnings
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from aisle.errors import InputError, first_line

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp"))
MOST_PIXELS = 50_000_000
LEAST_SIDE = 16
QUALITY = 92


def read_picture(path: Path) -> Image.Image:
    """The first frame, upright, in RGB, on white where it is transparent.

    Raises:
        InputError: It is no image, damaged, cut off, too small or too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(path) as image:
                width, height = image.size
                if width * height > MOST_PIXELS or min(width, height) < LEAST_SIDE:
                    raise InputError(
                        f"the image {path.name!r} has {width:,} x {height:,} pixels",
                        allowed=f"at least {LEAST_SIDE} on a side, at most {MOST_PIXELS:,} in all",
                    )
                upright = ImageOps.exif_transpose(image)
                if upright.has_transparency_data:
                    layer = upright.convert("RGBA")
                    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
                return upright.convert("RGB")
    except UnidentifiedImageError:
        raise InputError(f"{path.name!r} is no image that Pillow knows") from None
    except (OSError, ValueError, SyntaxError, EOFError, Warning, Image.DecompressionBombError) as error:
        raise InputError(f"the image {path.name!r} cannot be read: {first_line(error)}") from None


def write_picture(image: Image.Image, path: Path) -> None:
    """Write a JPEG, or a PNG by the name's ending; the file is there only once it is whole."""
    beside = path.with_name(f".{path.name}.part")
    if path.suffix.lower() == ".png":
        image.save(beside, "PNG")
    else:
        image.save(beside, "JPEG", quality=QUALITY, subsampling=0)
    beside.replace(path)
