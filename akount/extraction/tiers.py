"""Reads with two readers: one without models for what carries its words, one with the models of OCR for the rest."""

from __future__ import annotations

import time
from typing import BinaryIO

from akount.errors import Crashed, TimedOut
from akount.extraction.copies import Copy
from akount.extraction.engines import Loads, NeedsModels, only_forwards
from akount.extraction.sandbox import Limits, Report, Sandbox
from akount.readings import AS_ALWAYS, Reading, ReadingOptions


class TieredSandbox:
    """Two sandboxes; for one thread of one process at a time, like each of them. They start when they are first needed.

    To fork a process that holds the models, and to end the fork, takes longer than to read an electronic document. So what is no
    picture is read by a child of the other one first: by the same engines in the same order. Where OCR would begin the child
    ends, and a child with the models reads the document anew, in what is left of the time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._models = Sandbox(limits, Loads.MODELS)
        self._text = Sandbox(limits, Loads.TEXT)
        self._abandoned = False

    @property
    def pids(self) -> tuple[int, ...]:
        """The reader processes that live and are ready, also from another thread."""
        return (*self._models.pids, *self._text.pids)

    @property
    def models_loaded(self) -> bool:
        """Whether the models of OCR are."""
        return self._models.models_loaded

    def start(self) -> None:
        """Starts both readers, side by side, and waits until they have loaded what they need. Raises Crashed."""
        try:
            self._models.launch()
            self._text.launch()
            self._models.await_ready()
            self._text.await_ready()
        except Crashed:
            self.close()
            raise

    def read(
        self, file: BinaryIO, media_type: str, report: Report = lambda _share: None, options: ReadingOptions = AS_ALWAYS
    ) -> Reading:
        """The reading of a file. Raises Unreadable, TimedOut, OutOfMemory or Crashed."""
        self._abandoned = False
        if media_type.startswith("image/") or options.ocr_only:
            return self._models.read(file, media_type, report, options)
        ends, report = time.monotonic() + self.limits.seconds, only_forwards(report)
        try:
            return self._text.read(file, media_type, report, options)
        except NeedsModels:
            left = ends - time.monotonic()
        if left <= 0:
            raise TimedOut
        if self._abandoned:
            raise Crashed("The reader was stopped.")
        return self._models.read(file, media_type, report, options, left)

    def copy(self, file: BinaryIO, media_type: str, masks: tuple[str, ...], seconds: float) -> Copy:
        """What may be shown of a file to others, with these things masked."""
        return self._models.copy(file, media_type, masks, seconds)

    def abandon(self) -> None:
        """Stops whatever is being read, from another thread, also between its two children."""
        self._abandoned = True
        self._text.abandon()
        self._models.abandon()

    def close(self) -> None:
        """Ends both readers and whatever they are reading."""
        self._text.close()
        self._models.close()
