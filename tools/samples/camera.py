"""What a camera and a scanner do to a sheet of paper."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter


def photograph(paper: Image.Image, chance: np.random.RandomState, size: tuple[int, int] = (1400, 2000)) -> Image.Image:
    """Lay the paper on a table, look at it from a slant in the light of a window, and take a picture with a plain camera."""
    corners = [(232, 96), (1172, 62), (1236, 1918), (168, 1946)]
    slanted = slant(Image.merge("RGB", [paper] * 3), corners, size)
    mask = slant(Image.new("L", paper.size, 255), corners, size)
    table = Image.fromarray(table_top(size, chance))
    shadow = Image.new("L", size, 0)
    shadow.paste(150, (14, 18), mask)
    table.paste((38, 28, 22), (0, 0), shadow.filter(ImageFilter.GaussianBlur(16)))
    table.paste(slanted, (0, 0), mask.filter(ImageFilter.GaussianBlur(1)))
    lit = np.asarray(table, dtype=np.float64) * uneven_light(size, chance)[..., None] * (1.0, 0.975, 0.925)
    lit += chance.normal(0, 4.5, lit.shape)
    return Image.fromarray(lit.clip(0, 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.9))


def slant(image: Image.Image, corners: Sequence[tuple[int, int]], size: tuple[int, int]) -> Image.Image:
    """Draw the image into the four-sided figure of `corners`, given clockwise from the top left."""
    width, height = image.size
    rows, wanted = [], []
    for (x, y), (u, v) in zip(corners, [(0, 0), (width, 0), (width, height), (0, height)], strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    coefficients = np.linalg.solve(np.array(rows, dtype=float), np.array(wanted, dtype=float))
    return image.transform(size, Image.Transform.PERSPECTIVE, tuple(coefficients), Image.Resampling.BICUBIC)


def table_top(size: tuple[int, int], chance: np.random.RandomState) -> np.ndarray:
    """Dark wood: long streaks along one direction."""
    width, height = size
    streaks = smooth(chance.normal(0, 1, (6, 120)), (width, height)) + 0.4 * smooth(chance.normal(0, 1, (10, 500)), (width, height))
    return (np.array([92, 66, 48]) + 9 * streaks[..., None] * (1, 0.85, 0.7)).clip(0, 255).astype(np.uint8)


def uneven_light(size: tuple[int, int], chance: np.random.RandomState) -> np.ndarray:
    """A window at the top left, a shade at the bottom right, and paper that is not quite flat."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    return 1.0 - 0.30 * (0.45 * across + 0.55 * down) ** 1.5 + 0.012 * smooth(chance.normal(0, 1, (9, 6)), size)


def smooth(coarse: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Blow a small field of numbers up to `size`."""
    return np.asarray(Image.fromarray(coarse.astype(np.float32)).resize(size, Image.Resampling.BICUBIC), dtype=np.float64)


def jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def scan(sheet: Image.Image, chance: np.random.RandomState) -> Image.Image:
    """Copy a sheet the way an office scanner does: a little askew, grey paper, grain, specks, a dark edge."""
    askew = sheet.rotate(0.8, Image.Resampling.BICUBIC, fillcolor=255, translate=(6, -4)).filter(ImageFilter.GaussianBlur(0.8))
    grey = 38 + np.asarray(askew, dtype=np.float64) * (206 / 255)
    grey += 3 * smooth(chance.normal(0, 1, (24, 16)), sheet.size) + chance.normal(0, 5, grey.shape)
    for x, y in zip(chance.randint(0, sheet.width - 3, 90), chance.randint(0, sheet.height - 3, 90), strict=True):
        grey[y : y + 2, x : x + 2] -= 90
    grey[:, :14] -= np.linspace(110, 0, 14)
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))
