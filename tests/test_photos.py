"""A photo is stored without what it tells beside its pixels: the pixels, and how it is held, stay as they are."""

import io
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin

from akount import photos
from akount.photos import without_metadata
from make import SAMPLES

SECRET = b"Jane Private, 52.5163 N 13.3777 E"
FORMS = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "TIFF": "image/tiff"}
every_form = pytest.mark.parametrize("form", FORMS)


def exif(turned: int = 1) -> Image.Exif:
    made = Image.Exif()
    made[0x0112] = turned
    made[0x010F] = made[0x0131] = made[0x013B] = SECRET.decode()
    made.get_ifd(0x8769)[0x9286] = SECRET
    gps = made.get_ifd(0x8825)
    gps[1], gps[2] = "N", (52.0, 30.0, 58.75)
    gps[0x1D] = SECRET.decode()
    return made


def drawn() -> Image.Image:
    image = Image.new("RGB", (60, 40), "white")
    image.paste("red", (0, 0, 30, 20))
    image.paste("blue", (30, 20, 60, 40))
    return image


def telling(form: str, turned: int = 1) -> bytes:
    """A picture with all the metadata that its format has room for."""
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", SECRET.decode())
    text.add_itxt("XML:com.adobe.xmp", SECRET.decode(), zip=False)
    more = {
        "JPEG": {"comment": SECRET, "xmp": SECRET, "icc_profile": b"\0" * 200},
        "PNG": {"pnginfo": text, "icc_profile": b"\0" * 200},
        "WEBP": {"xmp": SECRET, "lossless": True, "icc_profile": b"\0" * 200},
        "TIFF": {},
    }
    out = io.BytesIO()
    tags = exif(turned)
    if form == "TIFF":
        tags[270], tags[700], tags[33723], tags[40093] = SECRET.decode(), SECRET, SECRET, SECRET
    drawn().save(out, form, exif=tags, **more[form])
    return out.getvalue()


def plain(form: str) -> bytes:
    out = io.BytesIO()
    drawn().save(out, form)
    return out.getvalue()


def cleaned(data: bytes, media_type: str) -> bytes | None:
    pieces = without_metadata(memoryview(data), media_type)
    return None if pieces is None else b"".join(pieces)


def seen(data: bytes) -> tuple[tuple[int, int], bytes]:
    """The picture as a person sees it."""
    with Image.open(io.BytesIO(data)) as image:
        upright = ImageOps.exif_transpose(image).convert("RGB")
        return upright.size, upright.tobytes()


@every_form
@pytest.mark.parametrize("turned", range(1, 9))
def test_what_a_photo_tells_is_gone_and_what_it_shows_is_not(form: str, turned: int) -> None:
    data = telling(form, turned)
    assert SECRET in data
    clean = cleaned(data, FORMS[form])
    assert clean is not None
    assert SECRET not in clean
    assert seen(clean) == seen(data)
    assert (seen(clean)[0] == (40, 60)) == (turned > 4)


@every_form
def test_a_place_in_numbers_is_gone_too(form: str) -> None:
    clean = cleaned(telling(form, 6), FORMS[form])
    assert clean is not None
    with Image.open(io.BytesIO(clean)) as image:
        left = image.getexif()
    assert set(left) - {274} <= set(range(254, 300)) | {317, 338, 339, 530}, "only tags that pixels need"
    assert dict(left.get_ifd(0x8825)) == dict(left.get_ifd(0x8769)) == {}


@every_form
def test_colours_keep_their_profile(form: str) -> None:
    clean = cleaned(telling(form), FORMS[form])
    with Image.open(io.BytesIO(clean)) as image:
        assert ("icc_profile" in image.info) == (form != "TIFF")


@every_form
def test_cleaning_twice_changes_nothing_more(form: str) -> None:
    clean = cleaned(telling(form, 6), FORMS[form])
    assert cleaned(clean, FORMS[form]) in (None, clean)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_tells_nothing_is_left_alone(form: str) -> None:
    assert cleaned(plain(form), FORMS[form]) is None


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_what_follows_the_picture_is_cut_off(form: str) -> None:
    """Phones hang films and further pictures behind, with places of their own."""
    data = plain(form)
    assert cleaned(data + SECRET + telling("JPEG"), FORMS[form]) == data


def test_a_progressive_photo_with_words_between_its_scans_loses_them() -> None:
    out = io.BytesIO()
    drawn().save(out, "JPEG", progressive=True)
    data = out.getvalue()
    scan = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    words = b"\xff\xfe" + struct.pack(">H", len(SECRET) + 2) + SECRET
    assert cleaned(data[:scan] + words + data[scan:], "image/jpeg") == data


def test_a_photo_of_several_tiff_pages_keeps_them_all() -> None:
    out = io.BytesIO()
    pages = [drawn(), drawn().rotate(180)]
    pages[0].save(out, "TIFF", save_all=True, append_images=pages[1:], description=SECRET.decode(), compression="tiff_lzw")
    clean = cleaned(out.getvalue(), "image/tiff")
    assert SECRET not in clean
    with Image.open(io.BytesIO(clean)) as image:
        assert image.n_frames == 2
        for index, page in enumerate(pages):
            image.seek(index)
            assert image.convert("RGB").tobytes() == page.tobytes()


def box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body) + 8, name) + body


def heic(method: int = 0) -> tuple[bytes, bytes]:
    """The boxes of a HEIC whose picture is item 1 and whose EXIF and XMP are items 2 and 3; and the picture's bytes."""
    picture, told, xmp = b"the picture itself", b"Exif" + SECRET, b"<x:xmpmeta>" + SECRET
    items = [(b"hvc1", picture), (b"Exif", told), (b"mime", xmp)]
    described = b"".join(
        box(b"infe", b"\2\0\0\0" + struct.pack(">HH4s", number, 0, kind) + b"\0") for number, (kind, _) in enumerate(items, 1)
    )
    iinf = box(b"iinf", b"\0\0\0\0" + struct.pack(">H", len(items)) + described)

    def located(first: int) -> bytes:
        at, parts = first, b""
        for number, (_, body) in enumerate(items, 1):
            parts += struct.pack(">HHHHII", number, method, 0, 1, at, len(body))
            at += len(body)
        return box(b"iloc", b"\1\0\0\0\x44\0" + struct.pack(">H", len(items)) + parts)

    ftyp = box(b"ftyp", b"heic\0\0\0\0mif1heic")
    data = picture + told + xmp
    if method == 1:
        return ftyp + box(b"meta", b"\0\0\0\0" + iinf + located(0) + box(b"idat", data)) + box(b"mpvd", SECRET), picture
    meta = len(box(b"meta", b"\0\0\0\0" + iinf + located(0)))
    return ftyp + box(b"meta", b"\0\0\0\0" + iinf + located(len(ftyp) + meta + 8)) + box(b"mdat", data) + box(
        b"mpvd", SECRET
    ), picture


@pytest.mark.parametrize("method", [0, 1])
def test_a_heic_keeps_its_picture_and_loses_what_describes_it(method: int) -> None:
    data, picture = heic(method)
    clean = cleaned(data, "image/heic")
    assert clean is not None
    assert SECRET not in clean
    assert picture in clean
    assert len(clean) == len(data)
    assert clean.count(b"skip") == 2
    assert b"mpvd" not in clean


@pytest.mark.parametrize("name", ["a.pdf", "a.xml"])
def test_what_is_no_picture_is_left_alone(name: str) -> None:
    assert cleaned(SECRET, "application/" + name[2:]) is None


def test_the_samples_are_shown_as_before() -> None:
    for path in [*SAMPLES.glob("*.jpg"), *SAMPLES.glob("*.png")]:
        data = path.read_bytes()
        media_type = FORMS["JPEG" if path.suffix == ".jpg" else "PNG"]
        assert seen(cleaned(data, media_type) or data) == seen(data)


MADE: dict[str, Callable[[], bytes]] = {FORMS[form]: lambda form=form: telling(form) for form in FORMS}
MADE["image/heic"] = lambda: heic()[0]


@pytest.mark.parametrize("media_type", sorted(photos.FORMATS))
@given(cut=st.floats(0, 1), at=st.floats(0, 1), junk=st.binary(max_size=12))
def test_a_file_without_sense_is_followed_nowhere(media_type: str, cut: float, at: float, junk: bytes) -> None:
    whole = MADE[media_type]()
    data = whole[: int(cut * len(whole))]
    place = int(at * len(data))
    data = data[:place] + junk + data[place + len(junk) :]
    clean = cleaned(data, media_type)
    assert clean is None or len(clean) <= len(data) + 64


@pytest.mark.parametrize("media_type", sorted(photos.FORMATS))
@given(data=st.binary(max_size=300))
def test_bytes_of_no_format_are_followed_nowhere(media_type: str, data: bytes) -> None:
    cleaned(data, media_type)


@pytest.mark.parametrize("part", [b"\xff\xfe\x00\x02", b"\xff\x00", b"\xff\xff", b"\xff\xda\x00\x02"])
def test_a_photo_of_a_million_nothings_is_given_up(part: bytes) -> None:
    cleaned(b"\xff\xd8" + part * 250_000, "image/jpeg")
