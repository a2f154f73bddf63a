"""Working twins of outside things, for tests that are about something else."""

import threading
from collections.abc import Callable
from typing import BinaryIO

from akount.extraction.copies import JPEG, Copy, Line
from akount.extraction.layout import Word
from akount.readings import Reading, ReadingOptions
from make import reading


def lines(text: str) -> tuple[Line, ...]:
    """A text as the rows of a page."""
    rows = text.splitlines()
    return tuple(
        Line(
            1,
            tuple(
                Word(word, (0.1 * at, 0.05 * row, 0.1 * at + 0.09, 0.05 * row + 0.02)) for at, word in enumerate(rows[row].split())
            ),
        )
        for row in range(len(rows))
        if rows[row].strip()
    )


class FakeReader:
    """A reader that says what it was told to say, and can be made to wait."""

    pids: tuple[int, ...] = ()
    "it reads in this process"
    models_loaded = False

    def __init__(self, says: Reading | Exception | None = None, words: str = "") -> None:
        self.says = says or reading()
        self.lines = lines(words)
        self.read_count = 0
        self.options: ReadingOptions | None = None
        "how the last document was to be read"
        self.hold = threading.Event()
        self.hold.set()
        self.reading = threading.Event()

    def read(self, file: BinaryIO, media_type: str, report: Callable[[float], None], options: ReadingOptions) -> Reading:
        self.read_count += 1
        self.options = options
        self.reading.set()
        report(0.5)
        assert self.hold.wait(20)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def copy(self, file: BinaryIO, media_type: str, masks: tuple[str, ...], seconds: float) -> Copy:
        """One white page with the words of the document that this was made with."""
        return Copy((JPEG + b"picture",), b"", self.lines, 0)

    def abandon(self) -> None:
        self.hold.set()

    def close(self) -> None:
        self.hold.set()
