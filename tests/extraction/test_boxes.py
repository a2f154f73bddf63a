"""The box of a value in a photo is where the value stands: cut out and read again, it says the value."""

import datetime as dt
import io
import random
from decimal import Decimal

import pytest
from PIL import Image, ImageOps

from akount.extraction.engines import read_source
from akount.extraction.layout import plain, turn_box
from akount.extraction.ocr import read_image
from akount.readings import Box, Source, Value
from tools.documents.facts import make_facts
from tools.documents.tills import draw_till, photographed

NAMES = ("total", "issue_date", "seller_name")


@pytest.fixture(scope="module", params=["GB", "DE"])
def photo(request: pytest.FixtureRequest) -> tuple[Image.Image, dict[str, Value]]:
    rng = random.Random(f"boxes of a photo {request.param}")
    data, _truth = draw_till(make_facts(rng, request.param), rng)
    picture = photographed(data, rng, dpi=200)
    return ImageOps.exif_transpose(Image.open(io.BytesIO(picture))), read_source(Source(picture, "image/jpeg")).fields


@pytest.mark.parametrize("name", NAMES)
def test_in_the_box_of_a_value_stands_the_value(photo: tuple[Image.Image, dict[str, Value]], name: str) -> None:
    image, fields = photo
    said = read_again(image, box_of(fields[name]))
    assert says(said, fields[name].value), said


def test_beside_the_box_something_else_stands(photo: tuple[Image.Image, dict[str, Value]]) -> None:
    image, fields = photo
    total = fields["total"]
    assert not says(read_again(image, turn_box(box_of(total), 180)), total.value)


def box_of(value: Value) -> Box:
    assert value.evidence is not None and value.evidence.box is not None
    return value.evidence.box


def read_again(image: Image.Image, box: Box) -> str:
    """What OCR finds in the box alone, with a little of the paper around it, and white around that."""
    x0, y0, x1, y1 = box
    more = 0.3 * (y1 - y0) * image.height
    cut = image.crop((x0 * image.width - more, y0 * image.height - more, x1 * image.width + more, y1 * image.height + more))
    words = read_image(ImageOps.expand(cut.convert("RGB"), 60, "white"), 1).words
    return " ".join(word.text for word in words)


def says(text: str, value: object) -> bool:
    if isinstance(value, Decimal):
        return digits(f"{abs(value)}") in digits(text)
    if isinstance(value, dt.date):
        return f"{value:%y}" in text and str(value.day) in text
    return plain(str(value)).replace(" ", "") in plain(text).replace(" ", "")


def digits(text: str) -> str:
    return "".join(char for char in text if char.isdigit())
