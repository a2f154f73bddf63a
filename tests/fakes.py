"""Working twins of outside things, for tests that are about something else."""

import threading
from collections.abc import Callable
from typing import BinaryIO

from akount.readings import Reading
from make import reading


class FakeReader:
    """A reader that says what it was told to say, and can be made to wait."""

    def __init__(self, says: Reading | Exception | None = None) -> None:
        self.says = says or reading()
        self.read_count = 0
        self.hold = threading.Event()
        self.hold.set()
        self.reading = threading.Event()

    def read(self, file: BinaryIO, media_type: str, report: Callable[[float], None]) -> Reading:
        self.read_count += 1
        self.reading.set()
        report(0.5)
        assert self.hold.wait(20)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def abandon(self) -> None:
        self.hold.set()

    def close(self) -> None:
        self.hold.set()
