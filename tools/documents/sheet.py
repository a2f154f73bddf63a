"""A PDF page measured in points from the top left corner, in one typeface."""

import io
import unicodedata
from pathlib import Path

import reportlab
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

FACES = {
    "sans": ("Helvetica", "Helvetica-Bold"),
    "serif": ("Times-Roman", "Times-Bold"),
    "typewriter": ("Courier", "Courier-Bold"),
    "wide": ("Vera", "VeraBd"),
}
MARGIN = 50


class Sheet:
    """Texts on pages; `y` is how far down the page is filled."""

    def __init__(self, face: str, ink: str, size: tuple[float, float] = A4) -> None:
        _learn_faces()
        self._out = io.BytesIO()
        self.canvas = Canvas(self._out, pagesize=size, invariant=1, pageCompression=1)
        self.width, self.height = size
        self.face, self.ink = face, ink
        self.y = 60.0

    def _printable(self, words: str) -> str:
        """The words with letters the fonts lack as bare ones, and narrow spaces as ordinary ones that do not break."""
        known = pdfmetrics.getFont("Vera").face.charToGlyph
        words = words.replace("\u202f", "\u00a0")
        return "".join(c if ord(c) in known else unicodedata.normalize("NFD", c)[0] for c in words)

    def text(
        self, x: float, y: float, words: str, size: float = 9, *, bold: bool = False, align: str = "left", ink: str = "#202020"
    ) -> None:
        words = self._printable(words)
        self.canvas.setFont(FACES[self._face_for(words)][bold], size)
        self.canvas.setFillColor(ink)
        draw = {"left": self.canvas.drawString, "right": self.canvas.drawRightString, "center": self.canvas.drawCentredString}
        draw[align](x, self.height - y, words)

    def block(
        self, x: float, y: float, rows: list[str], size: float = 9, *, bold_first: bool = False, align: str = "left"
    ) -> float:
        for index, row in enumerate(rows):
            self.text(x, y, row, size, bold=bold_first and index == 0, align=align)
            y += size * 1.35
        return y

    def measure(self, words: str, size: float) -> float:
        return float(pdfmetrics.stringWidth(words, FACES[self._face_for(words)][0], size))

    def wrapped(self, words: str, width: float, size: float) -> list[str]:
        rows = [""]
        for word in words.split():
            longer = f"{rows[-1]} {word}".strip()
            if self.measure(longer, size) > width and rows[-1]:
                rows.append(word)
            else:
                rows[-1] = longer
        return rows

    def rule(self, x0: float, x1: float, y: float) -> None:
        self.canvas.setStrokeColor("#909090")
        self.canvas.setLineWidth(0.5)
        self.canvas.line(x0, self.height - y, x1, self.height - y)

    def box(self, x: float, y: float, width: float, height: float, fill: str = "") -> None:
        self.canvas.setStrokeColor("#909090")
        self.canvas.setFillColor(fill or "#ffffff")
        self.canvas.rect(x, self.height - y - height, width, height, fill=bool(fill), stroke=not fill)

    def mark(self, x: float, y: float) -> None:
        """A logo without words."""
        self.canvas.setFillColor(self.ink)
        self.canvas.circle(x + 16, self.height - y - 16, 16, stroke=0, fill=1)
        self.canvas.rect(x + 26, self.height - y - 30, 26, 26, stroke=0, fill=1)

    def next_page(self) -> None:
        self.canvas.showPage()
        self.y = 60.0

    def bytes(self) -> bytes:
        self.canvas.save()
        return self._out.getvalue()

    def _face_for(self, words: str) -> str:
        """The standard typefaces hold western letters only; the others go by a font with a map to Unicode."""
        try:
            words.encode("cp1252")
        except UnicodeEncodeError:
            return "wide"
        return self.face


def _learn_faces() -> None:
    if "Vera" not in pdfmetrics.getRegisteredFontNames():
        folder = Path(reportlab.__file__).parent / "fonts"
        for name in FACES["wide"]:
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
