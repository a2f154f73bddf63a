"""The project's own hostile files: about 150, made anew each time, a few of every sort that has ever hurt a parser."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image
from pypdf import PdfReader, PdfWriter
from reportlab.pdfgen.canvas import Canvas

from tools.hostile.cases import CLEAN, FAILED, READ, REFUSED, Case

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLES = ROOT / "samples"
NO = frozenset({REFUSED, FAILED})
UBL = "urn:oasis:names:specification:ubl:schema:xsd:Invoice-2"
FORMS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "TIFF": "tif"}
CUTS = (5, 30, 60, 90)


def cases() -> list[Case]:
    """All of them."""
    return [*_honest(), *_wrong_types(), *_cut(), *_pdfs(), *_bombs(), *_pictures(), *_xml(), *_names()]


def _no(group: str, name: str, make: Callable[[], bytes], *codes: str, ending: frozenset[str] = NO) -> Case:
    return Case(f"{group}: {name}", name.replace(" ", "-"), make, ending, group, frozenset(codes))


def _honest() -> Iterator[Case]:
    for path in sorted(SAMPLES.iterdir()):
        if path.suffix in (".pdf", ".xml", ".jpg"):
            yield Case(f"honest: {path.name}", path.name, path.read_bytes, frozenset({READ}), "honest")


def bill(mark: str = "A-17") -> bytes:
    """A page that says all that a record needs."""
    out = io.BytesIO()
    canvas = Canvas(out, invariant=1)
    lines = ("Cedar & Quill Ltd", f"Invoice number: {mark}", "Date: 2025-03-14", "Total due: EUR 119.00")
    for row, line in enumerate(lines):
        canvas.drawString(72, 720 - 20 * row, line)
    canvas.save()
    return out.getvalue()


def picture(form: str, size: tuple[int, int] = (200, 150)) -> bytes:
    out = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(out, form)
    return out.getvalue()


def _wrong_types() -> Iterator[Case]:
    made: dict[str, bytes] = {
        "nothing": b"",
        "one byte": b"%",
        "words": b"Please pay EUR 100.00 at once.",
        "page of HTML": b"<!DOCTYPE html><html><script>alert(1)</script></html>",
        "vector picture": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        "script": b"#!/bin/sh\nrm -rf /\n",
        "program": b"\x7fELF\x02\x01\x01" + bytes(200),
        "program of Windows": b"MZ" + bytes(200),
        "GIF": b"GIF89a" + bytes(100),
        "JSON": b'{"total": "%PDF-1.7"}',
        "PostScript": b"%!PS-Adobe-3.0\n%PDF-1.7",
        "zeroes": bytes(70_000),
        "noise": zlib.compress(bytes(range(256)) * 500),
        "film": b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00isommp42",
        "blanks": b" \n" * 5000,
    }
    for name, data in made.items():
        code = "empty_file" if not data else "unsupported_type"
        yield _no("type", name, lambda data=data: data, code, ending=frozenset({REFUSED}))
    yield _no("type", "archive with a document inside", lambda: _archive("a.pdf", bill()), "unsupported_type")
    yield _no("type", "archive of nothing but zeroes", lambda: _archive("a.txt", bytes(20 << 20)), "unsupported_type")


def _archive(name: str, data: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, data)
    return out.getvalue()


def _cut() -> Iterator[Case]:
    """Files that were cut off, and files with noise in the middle."""
    whole: dict[str, Callable[[], bytes]] = {ending: lambda form=form: picture(form) for form, ending in FORMS.items()}
    whole["pdf"] = bill
    whole["xml"] = (SAMPLES / "canal-house-ubl-eur.xml").read_bytes
    for ending, make in whole.items():
        clean = CLEAN if ending == "pdf" else NO
        for percent in CUTS:
            yield _no("cut", f"{percent} of 100.{ending}", lambda m=make, p=percent: m()[: len(m()) * p // 100], ending=clean)
        for place in (3, 5, 8):
            yield _no("noise", f"at {place}0 of 100.{ending}", lambda m=make, p=place: _noisy(m(), p), ending=CLEAN)
    for name, head in {"png": b"\x89PNG\r\n\x1a\n", "jpg": b"\xff\xd8\xff", "tif": b"II*\0", "webp": b"RIFF\x04\0\0\0WEBP"}.items():
        yield _no("cut", f"signature alone.{name}", lambda head=head: head, "damaged")
    yield _no("cut", "heic alone.heic", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")


def _noisy(data: bytes, tenth: int) -> bytes:
    at = len(data) * tenth // 10
    return data[:at] + bytes((7 * n + 3) % 256 for n in range(12)) + data[at + 12 :]


def pdf_of(*objects: bytes, tail: bytes = b"") -> bytes:
    """A PDF of these objects, the first its catalog; readers find them without a table."""
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % (number, said) for number, said in enumerate(objects, 1))
    return b"%PDF-1.7\n" + body + b"trailer\n<</Size %d/Root 1 0 R>>\n" % (len(objects) + 1) + tail + b"%%EOF\n"


def page(content: bytes, more: bytes = b"", box: bytes = b"0 0 595 842", filters: bytes = b"") -> bytes:
    """A PDF of one page with this content."""
    return pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[%b]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>%b>>>>" % (box, more),
        b"<</Length %d%b>>stream\n%b\nendstream" % (len(content), filters, content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )


def _locked(**options: str) -> bytes:
    writer = PdfWriter(PdfReader(io.BytesIO(bill())))
    writer.encrypt(algorithm="RC4-128", **options)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def _many(count: int) -> bytes:
    kids = b" ".join(b"3 0 R" for _ in range(count))
    return pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[%b]/Count %d>>" % (kids, count),
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
    )


def _pdfs() -> Iterator[Case]:
    yield _no("pdf", "password", lambda: _locked(user_password="x"), "encrypted", ending=frozenset({REFUSED}))
    yield Case(
        "pdf: not to be changed", "owner.pdf", lambda: _locked(user_password="", owner_password="x"), frozenset({READ}), "pdf"
    )
    yield _no("pdf", "noise behind the head", lambda: b"%PDF-1.7\n" + bytes(range(256)) * 99, "damaged")
    yield _no("pdf", "60 pages", lambda: _many(60), "too_many_pages", "damaged")
    yield _no("pdf", "100 000 pages", lambda: _many(100_000), "too_many_pages", "damaged")
    yield _no("pdf", "blank page", lambda: page(b""), "empty_document", "no_text")
    trees = {
        "pages that are their own child": b"<</Type/Pages/Kids[2 0 R]/Count 1>>",
        "no pages": b"<</Type/Pages/Kids[]/Count 0>>",
        "less than no pages": b"<</Type/Pages/Kids[]/Count -1>>",
        "a page that is not there": b"<</Type/Pages/Kids[9 0 R]/Count 1>>",
    }
    for name, tree in trees.items():
        yield _no("pdf", name, lambda tree=tree: pdf_of(b"<</Type/Catalog/Pages 2 0 R>>", tree))
    yield _no("pdf", "a catalog of itself", lambda: pdf_of(b"1 0 R"))
    for box in (b"0 0 2000000000 2000000000", b"0 0 14400 14400", b"0 0 0 0", b"0 0 (x) /y", b"0 0 1e38 1e-38"):
        yield _no("pdf", f"box {box.decode()}", lambda box=box: page(b"BT /F 9 Tf 9 9 Td (x) Tj ET", box=box), ending=CLEAN)
    acts = {
        "script": b"<</S/JavaScript/JS(app.alert(1))>>",
        "address": b"<</S/URI/URI(http://127.0.0.1:9/)>>",
        "program": b"<</S/Launch/F(/bin/sh)>>",
    }
    for name, act in acts.items():
        data = bill().replace(b"/Type /Catalog", b"/Type /Catalog /OpenAction " + act)
        yield _no("pdf", f"opens a {name}", lambda data=data: data, ending=frozenset({READ}))
    yield _no("pdf", "junk behind", lambda: bill() + bytes(3000), ending=frozenset({READ}))
    yield _no("pdf", "nested arrays", lambda: page(b"[" * 200_000), ending=CLEAN)
    yield _no("pdf", "nested states", lambda: page(b"q " * 300_000), ending=CLEAN)


def _bombs() -> Iterator[Case]:
    twice = zlib.compress(zlib.compress(b"0 " * (32 << 20), 9), 9)
    filters = b"/Filter[/FlateDecode/FlateDecode]"
    yield _no("bomb", "two layers", lambda: page(twice, filters=filters), ending=CLEAN)
    many = zlib.compress(b"BT /F 9 Tf 9 9 Td " + b"(aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa) Tj " * 200_000 + b"ET", 9)
    yield _no("bomb", "millions of letters", lambda: page(many, filters=b"/Filter/FlateDecode"), ending=CLEAN)
    lines = zlib.compress(b"0 0 m " + b"595 842 l 0 421 l " * 400_000 + b"S", 9)
    yield _no("bomb", "a million lines", lambda: page(lines, filters=b"/Filter/FlateDecode"), ending=CLEAN)
    yield _no("bomb", "tiles without end", _tiles, ending=CLEAN)
    yield _no("bomb", "forms in forms", _laughs, ending=CLEAN)


def _tiles() -> bytes:
    return pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Pattern<</P 5 0 R>>>>>>",
        b"<</Length 44>>stream\n/Pattern cs /P scn 0 0 595 842 re f\nendstream",
        b"<</Type/Pattern/PatternType 1/PaintType 1/TilingType 1/BBox[0 0 9 9]/XStep 0.001/YStep 0.001/Resources<<>>/Length 12>>"
        b"stream\n0 0 9 9 re f\nendstream",
    )


def _laughs(depth: int = 9) -> bytes:
    """Each form draws the next one ten times."""
    content = b"/X Do " * 10
    forms = [
        b"<</Type/XObject/Subtype/Form/BBox[0 0 595 842]/Resources<</XObject<</X %d 0 R>>>>/Length %d>>stream\n%b\nendstream"
        % (6 + level, len(content), content)
        for level in range(depth)
    ]
    last = b"<</Type/XObject/Subtype/Form/BBox[0 0 595 842]/Length 12>>stream\n0 0 9 9 re f\nendstream"
    return pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>",
        b"<</Length 5>>stream\n/X Do\nendstream",
        *forms,
        last,
    )


def _pictures() -> Iterator[Case]:
    for form, ending in FORMS.items():
        for side in (1, 63, 64, 99):
            name = f"{side} pixels.{ending}"
            ending_of = frozenset({REFUSED if side < 64 else FAILED})
            yield _no("picture", name, lambda f=form, s=side: picture(f, (s, 300)), "too_small", ending=ending_of)
        yield _no("picture", f"blank.{ending}", lambda f=form: _blank(f), "empty_document")
        yield _no("picture", f"as another.{ending}", lambda f=form: picture(f, (120, 120)), ending=NO)
    yield _no("picture", "four billion pixels.png", lambda: _png_of(65_535, 65_535), "too_many_pixels")
    yield _no("picture", "a bomb of zeroes.png", lambda: _png_of(30_000, 30_000), "too_many_pixels")
    yield _no("picture", "no pixels.png", lambda: _png_of(0, 0))
    yield _no("picture", "60 pages.tif", lambda: _frames(60), "too_many_pages")
    yield _no("picture", "directories in a ring.tif", lambda: b"II*\0\x08\0\0\0" + b"\0\0" + struct.pack("<I", 8))


def _blank(form: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (150, 150), "white").save(out, form)
    return out.getvalue()


def _frames(count: int) -> bytes:
    out = io.BytesIO()
    small = Image.new("1", (120, 120), 1)
    small.save(out, "TIFF", save_all=True, append_images=[small] * (count - 1))
    return out.getvalue()


def _png_of(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(1 << 20), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def _xml() -> Iterator[Case]:
    whole = (SAMPLES / "canal-house-ubl-eur.xml").read_text(encoding="utf-8")
    head, body = whole[: whole.index("<Invoice")], whole[whole.index("<Invoice") :]
    doctypes = {
        "document type": "<!DOCTYPE Invoice>",
        "file of ours": '<!DOCTYPE Invoice [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        "address of ours": '<!DOCTYPE Invoice [<!ENTITY x SYSTEM "http://127.0.0.1:9/">]>',
        "outer document type": '<!DOCTYPE Invoice SYSTEM "http://127.0.0.1:9/x.dtd">',
        "laughs": '<!DOCTYPE Invoice [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
    }
    for name, said in doctypes.items():
        data = (head + said + body).encode()
        yield _no("xml", name, lambda data=data: data, "xml_doctype", ending=frozenset({REFUSED}))
    hidden = ("<?xml version='1.0' encoding='UTF-16'?>" + doctypes["file of ours"] + body).encode("utf-16")
    yield _no("xml", "document type in UTF-16", lambda: hidden, "xml_doctype")
    yield _no("xml", "an order", lambda: b"<?xml version='1.0'?><Order/>", "not_an_invoice", ending=frozenset({REFUSED}))
    yield _no("xml", "invoice of nobody", lambda: b"<?xml version='1.0'?><Invoice/>", "not_an_invoice")
    yield _no("xml", "says nothing", f'<Invoice xmlns="{UBL}"/>'.encode)
    yield _no("xml", "deep", lambda: f'<Invoice xmlns="{UBL}">'.encode() + b"<a>" * 100_000, "malformed_xml")
    yield _no("xml", "wide", f'<Invoice xmlns="{UBL}">{"<a/>" * 100_000}</Invoice>'.encode)
    yield _no(
        "xml", "wrong letters", lambda: whole.encode().replace(b"Invoice", b"\xff\xfe", 3), "malformed_xml", "unsupported_type"
    )
    for name, amount in {
        "not a number": "NaN",
        "too large": "9" * 400,
        "an exponent": "1e999999",
        "other digits": "\uff11\uff12",
    }.items():
        data = _with_total(whole, amount)
        yield _no("xml", f"total {name}", lambda data=data: data, ending=CLEAN)
    for name, text in {
        "formula": "=HYPERLINK(1)",
        "markup": "&lt;script&gt;alert(1)&lt;/script&gt;",
        "long": "x" * 100_000,
    }.items():
        data = whole.replace("<cbc:Name>", f"<cbc:Name>{text}", 1).encode()
        yield _no("xml", f"name of {name}", lambda data=data: data, ending=frozenset({READ}))


def _with_total(whole: str, amount: str) -> bytes:
    start = whole.index(">", whole.index("<cbc:PayableAmount")) + 1
    return (whole[:start] + amount + whole[whole.index("<", start) :]).encode()


def _names() -> Iterator[Case]:
    names = (
        "../../etc/passwd",
        "C:\\windows\\a.pdf",
        "a\u202efdp.exe",
        "\x1b[31mred.pdf",
        "x" * 250 + ".pdf",
        "a;b|c`d`.pdf",
        "{{7*7}}.pdf",
    )
    for number, name in enumerate(names):
        yield Case(f"name: {number}", name, lambda n=number: bill(f"N-{n}"), frozenset({READ}), "name")
