"""Who sends: documents made from a seed, no two alike, and clients that send the same bytes again until they are answered."""

import functools
import hashlib
import io
import queue
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import httpx
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from akount.kinds import KINDS
from make import SAMPLES, pdf
from service import PLAIN

CLIENTS = 8
REQUEST_SECONDS = 10
PATIENCE_SECONDS = 120
"""A client that gets no answer gives up after so long; what became of its document is then unknown to it."""
PICTURE_SIDE = 400
COMPLETED = "completed"


@dataclass(frozen=True)
class Paper:
    """One document: when it is sent (seconds after the start), and how its job is to end."""

    due: float
    name: str
    data: bytes = field(repr=False)
    plural: str
    outcome: str  # COMPLETED, or the code it must fail with
    sender: int
    patient: bool  # or it is sent once, whatever the answer

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def _text(mark: str) -> bytes:
    return pdf(f"Invoice {mark}")


def _xml(mark: str) -> bytes:
    return (SAMPLES / "canal-house-ubl-eur.xml").read_bytes().replace(b"2025-00873", mark.encode())


def _picture(mark: str) -> bytes:
    """A photo that takes a second or two to read, so that kills meet running jobs; the mark behind it changes nothing."""
    return _small_photo() + mark.encode()


@functools.cache
def _small_photo() -> bytes:
    out = io.BytesIO()
    with Image.open(SAMPLES / "hardware-receipt-photo-eur.jpg") as photo:
        photo.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
        photo.save(out, "JPEG")
    return out.getvalue()


def _encrypted(mark: str) -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out, encrypt=StandardEncryption("secret"))
    canvas.drawString(72, 720, mark)
    canvas.save()
    return out.getvalue()


def _damaged(mark: str) -> bytes:
    return f"%PDF-1.7\nnothing of a document in it {mark}".encode()


MIX: dict[str, tuple[int, Callable[[str], bytes], str]] = {
    "text.pdf": (52, _text, COMPLETED),
    "invoice.xml": (20, _xml, COMPLETED),
    "photo.jpg": (20, _picture, COMPLETED),
    "encrypted.pdf": (4, _encrypted, "encrypted"),
    "damaged.pdf": (4, _damaged, "damaged"),
}
"""How many of a hundred, made by what, to end how."""


def papers(seed: int, count: int, seconds: float) -> list[Paper]:
    """The documents of a seed, spread over the time, over all kinds and two tenants. One in ten is sent without patience."""
    rng = random.Random(seed)
    plurals = [kind.plural for kind in KINDS.values()]
    made = []
    for number in range(count):
        name = rng.choices(list(MIX), [share for share, _make, _outcome in MIX.values()])[0]
        _share, make, outcome = MIX[name]
        data = make(f"{seed}-{number}")
        made.append(Paper(seconds * number / count, name, data, rng.choice(plurals), outcome, rng.randrange(2), rng.random() < 0.9))
    return made


def sendings(seed: int, all_papers: Sequence[Paper]) -> list[Paper]:
    """What is sent, in order: every paper, and one in twenty-five by two clients at once."""
    rng = random.Random(seed)
    return [paper for one in all_papers for paper in [one] * (2 if rng.random() < 0.04 else 1)]


class Traffic:
    """The clients, and what they were told."""

    def __init__(self, address: str, headers: Sequence[dict[str, str]], sent: Sequence[Paper], stop: threading.Event) -> None:
        self.accepted: dict[str, set[str]] = {}  # sha256 → the ids of its job; more than one would be a fault
        self.refused: list[str] = []
        self.answers: Counter[str] = Counter()
        self._address, self._headers, self._stop = address, headers, stop
        self._queue: queue.SimpleQueue[Paper] = queue.SimpleQueue()
        for paper in sent:
            self._queue.put(paper)
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send_all, name=f"client {n}", daemon=True) for n in range(CLIENTS)]

    def start(self) -> None:
        self._started = time.monotonic()
        for thread in self._threads:
            thread.start()

    @property
    def running(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    @property
    def left(self) -> int:
        return self._queue.qsize()

    def _send_all(self) -> None:
        with httpx.Client(base_url=self._address, timeout=REQUEST_SECONDS, **PLAIN) as client:
            while not self._stop.is_set():
                try:
                    paper = self._queue.get_nowait()
                except queue.Empty:
                    return
                if not self._stop.wait(max(0.0, self._started + paper.due - time.monotonic())):
                    self._send(client, paper)

    def _send(self, client: httpx.Client, paper: Paper) -> None:
        """Until it is answered: what went wrong on the other side is tried again with the same bytes."""
        ends = time.monotonic() + PATIENCE_SECONDS
        while not self._answered(client, paper) and paper.patient and time.monotonic() < ends:
            if self._stop.wait(random.uniform(0.2, 1.0)):
                return

    def _answered(self, client: httpx.Client, paper: Paper) -> bool:
        try:
            answer = client.post(
                f"/api/business/{paper.plural}/scan", headers=self._headers[paper.sender], files={"file": (paper.name, paper.data)}
            )
        except httpx.TransportError as error:
            with self._lock:
                self.answers[type(error).__name__] += 1
            return False
        with self._lock:
            self.answers[str(answer.status_code)] += 1
            if answer.status_code in (200, 202):
                self.accepted.setdefault(paper.sha256, set()).add(answer.json()["jobId"])
            elif answer.status_code < 500 and answer.status_code != 429:
                self.refused.append(f"{paper.name}: {answer.status_code} {answer.text[:200]}")
            else:
                return False
        return True
