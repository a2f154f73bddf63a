"""Opens pictures as a person sees them: upright, opaque, one after the other, and never larger than allowed."""

from __future__ import annotations

import contextlib
import importlib
import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from typing import Any

from akount.errors import Unreadable
from akount.readings import Source

_DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    ArithmeticError,
    SyntaxError,
    EOFError,
    RuntimeError,
    AttributeError,
    struct.error,
    zlib.error,
)
"""What the decoders of Pillow raise on damaged files."""

HEIC_TYPES = ("image/heic", "image/heif")
_DECODERS = {
    "image/png": "PNG",
    "image/jpeg": "JPEG",
    "image/webp": "WEBP",
    "image/tiff": "TIFF",
    **dict.fromkeys(HEIC_TYPES, "HEIF"),
}
"""Of the forty decoders of Pillow the one that a type needs: no other gets to see a stranger's file, or takes memory."""
MIN_SIDE = 100
"""Pixels; on anything smaller no text can be read."""
SURE_SIDE = 64
"""Below this it is an icon, which is said at once. Between the two it may be a strip of a receipt that was cut too narrow: it
comes in, so that a person sees what was sent, and its job fails."""


def open_images(source: Source, max_pages: int, max_pixels: int) -> Iterator[tuple[int, int, Any]]:
    """(number, count, RGB image as a person holds it) for each frame. Raises Unreadable for what cannot be a document."""
    from PIL import ImageOps

    with _opened(source) as image:
        count = _pages_in(image, max_pages)
        for index in range(count):
            image.seek(index)
            _check_size(image.size, max_pixels)
            yield index + 1, count, _flat(ImageOps.exif_transpose(image))


def measure(source: Source, max_pages: int, max_pixels: int) -> int:
    """How many pages a picture has, by what it says of itself; its pixels are not decoded. Raises Unreadable as above."""
    with _opened(source) as image:
        count = _pages_in(image, max_pages)
        _check_size(image.size, max_pixels, SURE_SIDE)
        return count


def warm() -> None:
    """Load the decoders."""
    from PIL import Image

    Image.preinit()
    for name in ("Mpo", "Tiff", "WebP"):
        importlib.import_module(f"PIL.{name}ImagePlugin")
    _learn_heic()


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[Any]:
    """The image of Pillow. Whatever a decoder raises inside of the block becomes Unreadable."""
    from PIL import Image, UnidentifiedImageError

    warm()
    decoders = [name for name in Image.OPEN if name == _DECODERS.get(source.media_type)]
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        warnings.simplefilter("ignore", UserWarning)  # crooked EXIF and TIFF tags: the pixels decide
        try:
            with Image.open(io.BytesIO(source.data), formats=decoders) as image:
                yield image
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise _too_many_pixels() from error
        except UnidentifiedImageError as error:
            raise _unidentified(source) from error
        except Unreadable:
            raise
        except _DAMAGE as error:
            raise Unreadable("The picture is damaged and cannot be opened; send it again.", code="damaged") from error


def _learn_heic() -> bool:
    """Teach Pillow HEIC, where the library for it is installed."""
    try:
        importlib.import_module("pi_heif").register_heif_opener()
    except ImportError:
        return False
    return True


def _unidentified(source: Source) -> Unreadable:
    if source.media_type in HEIC_TYPES and not _learn_heic():
        return Unreadable("HEIC pictures cannot be read by this installation; send the picture as JPEG.", code="heic_unsupported")
    return Unreadable("The picture is damaged and cannot be opened; send it again.", code="damaged")


def _pages_in(image: Any, max_pages: int) -> int:
    """Frames are pages only in TIFF; an animation shows the same thing moving."""
    if image.format != "TIFF":
        return 1
    count = int(getattr(image, "n_frames", 1))
    if count > max_pages:
        raise Unreadable(f"The picture has {count} pages; at most {max_pages} are read.", code="too_many_pages")
    return count


def _check_size(size: tuple[int, int], max_pixels: int, least: int = MIN_SIDE) -> None:
    width, height = size
    if width * height > max_pixels:
        raise _too_many_pixels()
    if min(width, height) < least:
        raise Unreadable(
            f"The picture is only {width} × {height} pixels; scan or photograph the document in full size.", code="too_small"
        )


def _too_many_pixels() -> Unreadable:
    return Unreadable("The picture has too many pixels; send it in a lower resolution (200-300 dpi).", code="too_many_pixels")


def _flat(image: Any) -> Any:
    """As RGB on white: what is transparent is paper."""
    from PIL import Image

    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    if image.mode in ("I;16", "I", "F"):
        low, high = image.getextrema()
        scale = 255.0 / max(1.0, float(high) - float(low))
        return image.point(lambda value: (value - low) * scale).convert("L").convert("RGB")
    return image.convert("RGB")
