"""Hosted engines on this machine that speak as the real ones do, and can be told to fail in every way."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from akount.hosted import questions
from akount.readings import Reading, reading_to_json

KEY = "key-of-a-test-that-nobody-else-has"
MODELS = {"mistral": "mistral-ocr-2512", "anthropic": "claude-sonnet-4-5-20250929", "openai_compatible": "house-model"}
ENGINES = tuple(MODELS)
USAGE = {
    "mistral": {"usage_info": {"pages_processed": 1}},
    "anthropic": {"usage": {"input_tokens": 2000, "output_tokens": 500}},
    "openai_compatible": {"usage": {"prompt_tokens": 2000, "completion_tokens": 500}},
}
COSTS = {"mistral": 3_000, "anthropic": 2000 * 3 + 500 * 15, "openai_compatible": 0}
"""Of such an answer, in millionths of a US dollar, at the prices of the settings."""


def form(**values: Any) -> dict[str, Any]:
    """An answer in the form that is asked for; what is not said is null."""
    empty: dict[str, Any] = dict.fromkeys(questions.FIELDS) | {"credit_note": False, "lines": [], "tax_bands": []}
    return empty | {name: str(v) if isinstance(v, Decimal) else v for name, v in values.items()}


def form_of(reading: Reading, **values: Any) -> dict[str, Any]:
    """The answer of an engine that has read what a reading says."""
    raw = reading_to_json(reading)["fields"]
    return form(**({n: v["value"] for n, v in raw.items() if n in questions.FIELDS} | values))


def spoken(engine: str, answer: Any) -> dict[str, Any]:
    """An answer in the words of an engine."""
    text = answer if isinstance(answer, str) else json.dumps(answer)
    said = {
        "mistral": {"model": "whatever", "pages": [], "document_annotation": text},
        "anthropic": {"model": "whatever", "stop_reason": "end_turn", "content": [{"type": "text", "text": text}]},
        "openai_compatible": {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": text}}]},
    }
    return said[engine] | USAGE[engine]


FILTERED = {
    "mistral": {"pages": [], "document_annotation": None} | USAGE["mistral"],
    "anthropic": {"stop_reason": "refusal", "content": []} | USAGE["anthropic"],
    "openai_compatible": {"choices": [{"finish_reason": "content_filter", "message": {"content": None}}]},
}


@dataclass(frozen=True)
class Heard:
    """A request as it came over the wire."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def said(self) -> dict[str, Any]:
        return json.loads(self.body)


Act = Callable[["_Handler"], None]


def says(status: int, content: bytes | dict[str, Any], **headers: str) -> Act:
    def act(handler: "_Handler") -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return act


def hangs(handler: "_Handler") -> None:
    """Says nothing, until the other side has had enough."""
    handler.connection.settimeout(20)
    handler.connection.recv(1)


def drips(handler: "_Handler") -> None:
    """A byte of a header now and then: no time-out between two bytes ever ends that."""
    try:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        for _ in range(200):
            handler.wfile.write(b"a")
            handler.wfile.flush()
            time.sleep(0.1)
    except OSError:
        pass


def cuts(handler: "_Handler") -> None:
    """Begins to answer and is gone."""
    handler.wfile.write(b'HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{"pages": [')


def silent(handler: "_Handler") -> None:
    """Is gone without a word."""


FAULTS: dict[str, tuple[Act | None, str, int]] = {
    "asked too often": (says(429, {}), "hosted_rate_limited", 2),
    "failing": (says(500, {}), "hosted_failed", 2),
    "overloaded": (says(529, {}), "hosted_failed", 2),
    "slow": (hangs, "hosted_timed_out", 1),
    "dripping": (drips, "hosted_timed_out", 1),
    "cut off": (cuts, "hosted_cut_off", 1),
    "silent": (silent, "hosted_cut_off", 1),
    "no json": (says(200, b"<html>oops"), "hosted_bad_answer", 1),
    "not an object": (says(200, b"[1, 2]"), "hosted_bad_answer", 1),
    "refusing the key": (says(401, {"error": "no"}), "hosted_refused_key", 1),
    "refusing the document": (says(400, {"error": "no"}), "hosted_refused_document", 1),
    "invalid request": (says(422, {"detail": []}), "hosted_refused_document", 1),
    "sending elsewhere": (says(307, {}, Location="http://192.0.2.1/"), "hosted_refused_document", 1),
    "filtering": (None, "", 1),
    "answer is no json": (None, "hosted_bad_answer", 1),
    "answer of another form": (None, "hosted_bad_answer", 1),
    "answer with impossible values": (None, "hosted_bad_answer", 1),
}
"""A fault → what an engine does, the code it comes to, and how many requests that makes; None: it is said in its own words."""


def act_of(fault: str, engine: str) -> Act:
    """How an engine behaves that has this fault."""
    answers = {
        "filtering": FILTERED[engine],
        "answer is no json": spoken(engine, '{"total": 1'),
        "answer of another form": spoken(engine, {"total": "119.00"}),
        "answer with impossible values": spoken(engine, form(total="1e999999", issue_date="yesterday")),
    }
    return FAULTS[fault][0] or says(200, answers[fault])


@dataclass
class Provider:
    """One server for all engines; each speaks at its own path."""

    act: Act = silent
    heard: list[Heard] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"provider": self})
        self.server = _Server(("127.0.0.1", 0), handler)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]  who cuts the line is not told of it
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def environ(self) -> dict[str, str]:
        """The settings that lead here."""
        return {
            "MISTRAL_API_KEY": KEY,
            "MISTRAL_URL": self.url,
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_URL": self.url,
            "OPENAI_COMPATIBLE_URL": self.url,
            "OPENAI_COMPATIBLE_MODEL": MODELS["openai_compatible"],
            "OPENAI_COMPATIBLE_API_KEY": KEY,
        }

    def answers(self, engine: str, answer: Any) -> None:
        self.act = says(200, spoken(engine, answer))

    def forget(self) -> None:
        self.heard.clear()
        self.act = silent


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # a hundred come at once


class _Handler(BaseHTTPRequestHandler):
    provider: Provider

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.provider.lock:
            self.provider.heard.append(Heard(self.path, dict(self.headers), body))
        self.close_connection = True
        self.provider.act(self)

    def do_GET(self) -> None:
        with self.provider.lock:
            self.provider.heard.append(Heard(self.path, dict(self.headers), b""))
        self.close_connection = True
        if KEY not in (self.headers.get("Authorization") or self.headers.get("x-api-key") or ""):
            says(401, {})(self)
        else:
            says(200, {"data": [{"id": model} for model in MODELS.values()]})(self)

    def log_message(self, *_: Any) -> None:
        """Says nothing."""
