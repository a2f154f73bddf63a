"""A page to draw on, its fonts, and the mark of the demo company."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import reportlab
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from tools.samples.facts import Document

FONTS = Path(reportlab.__file__).parent / "fonts"
SANS, SANS_BOLD = "Helvetica", "Helvetica-Bold"
SERIF, SERIF_BOLD, SERIF_ITALIC = "Times-Roman", "Times-Bold", "Times-Italic"
VERA, VERA_BOLD = "Vera", "VeraBd"


@dataclass(frozen=True)
class Column:
    title: str
    x: float
    align: str = "left"


class Page:
    """A PDF canvas measured in points from the top left corner."""

    def __init__(self, document: Document, size: tuple[float, float] = A4, font: str = SANS, bold: str = SANS_BOLD) -> None:
        self._buffer = io.BytesIO()
        self.width, self.height = size
        self.font, self.bold = font, bold
        self.canvas = Canvas(self._buffer, pagesize=size, invariant=1, pageCompression=1)
        self.canvas.setTitle(f"{document.seller.name}: {document.number}")
        self.canvas.setAuthor(document.seller.name)

    def text(
        self, x: float, y: float, words: str, size: float = 9, *, font: str = "", align: str = "left", ink: str = "#1c1f24"
    ) -> None:
        self.canvas.setFont(font or self.font, size)
        self.canvas.setFillColor(ink)
        draw = {"left": self.canvas.drawString, "right": self.canvas.drawRightString, "center": self.canvas.drawCentredString}
        draw[align](x, self.height - y, words)

    def block(self, x: float, y: float, rows: Iterable[str], size: float = 9, leading: float = 12.5, **style: str) -> float:
        """Write rows below each other and return the height of the next one."""
        for row in rows:
            self.text(x, y, row, size, **style)
            y += leading
        return y

    def cells(self, y: float, columns: Sequence[Column], values: Sequence[str], size: float = 9, **style: str) -> None:
        for column, value in zip(columns, values, strict=True):
            self.text(column.x, y, value, size, align=column.align, **style)

    def rule(self, x1: float, x2: float, y: float, width: float = 0.6, ink: str = "#1c1f24") -> None:
        self.canvas.setStrokeColor(ink)
        self.canvas.setLineWidth(width)
        self.canvas.line(x1, self.height - y, x2, self.height - y)

    def box(self, x: float, y: float, width: float, height: float, *, fill: str = "", stroke: str = "") -> None:
        self.canvas.setLineWidth(0.6)
        self.canvas.setFillColor(fill or "#ffffff")
        self.canvas.setStrokeColor(stroke or "#ffffff")
        self.canvas.rect(x, self.height - y - height, width, height, fill=bool(fill), stroke=bool(stroke))

    def disc(self, x: float, y: float, radius: float, fill: str) -> None:
        self.canvas.setFillColor(fill)
        self.canvas.circle(x, self.height - y, radius, stroke=0, fill=1)

    def shape(self, fill: str, *points: tuple[float, float]) -> None:
        self.canvas.setFillColor(fill)
        path = self.canvas.beginPath()
        path.moveTo(points[0][0], self.height - points[0][1])
        for x, y in points[1:]:
            path.lineTo(x, self.height - y)
        path.close()
        self.canvas.drawPath(path, stroke=0, fill=1)

    def next_page(self) -> None:
        self.canvas.showPage()

    def bytes(self) -> bytes:
        self.canvas.save()
        return self._buffer.getvalue()


def larkfield_mark(page: Page, x: float, y: float, ink: str = "#0b6e5b") -> None:
    """The demo company's mark: a bird of two wings above its name."""
    page.shape(ink, (x, y + 4), (x + 17, y + 14), (x + 17, y + 24))
    page.shape("#e2a33b", (x + 38, y), (x + 17, y + 14), (x + 17, y + 24))
    page.text(x + 46, y + 20, "Larkfield Studio", 17, font=SANS_BOLD, ink=ink)


def register_fonts() -> None:
    for name in (VERA, VERA_BOLD):
        pdfmetrics.registerFont(TTFont(name, str(FONTS / f"{name}.ttf")))
