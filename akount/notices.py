"""How people outside are told: a webhook, signed, and e-mail. Every way has its time, and nothing is followed elsewhere.

The webhook gets a POST of JSON. `X-Akount-Signature: t=…,v1=…` is the HMAC-SHA256 of `t.body` with ALERT_WEBHOOK_SECRET, in
hex; whoever checks it also looks at `t`, the seconds since 1970, so that an old message cannot be sent again. `id` is the same
when a notice is sent twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import smtplib
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any, TypeVar
from urllib.parse import urlsplit

from akount import logs
from akount.db import now
from akount.errors import AkountError, Unavailable
from config import Settings

log = logs.get(__name__)

TIMEOUT = 4.0
"""Seconds for each step of a delivery."""
PATIENCE = 8.0
"""Seconds for the whole of one."""
Answer = TypeVar("Answer")
SIGNATURE = "X-Akount-Signature"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that somebody outside is told."""

    id: str
    subject: str
    "one line"
    text: str
    body: dict[str, Any]
    "for machines"


def ways(settings: Settings) -> dict[str, Callable[[Notice], None]]:
    """Name → how a notice is sent; each raises Unavailable when it did not arrive."""
    found: dict[str, Callable[[Notice], None]] = {}
    if settings.alert_webhook_url:
        found["webhook"] = lambda notice: post(settings, notice)
    if settings.alert_email_to:
        found["email"] = lambda notice: mail(settings, notice)
    return found


def send(settings: Settings, way: str, notice: Notice) -> bool:
    """Sends a notice one way. Answers whether it arrived."""
    try:
        within(PATIENCE, lambda: ways(settings)[way](notice))
    except Unavailable as error:
        log.warning("notice not delivered", way=way, notice=notice.id, detail=error.detail)
        return False
    log.info("notice delivered", way=way, notice=notice.id)
    return True


def signature(secret: str, body: bytes, at: int) -> str:
    """What the header says of a body that was sent at an instant."""
    made = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made}"


def post(settings: Settings, notice: Notice) -> None:
    """By the webhook: any answer of 2xx is well; a redirect is none. Raises Unavailable."""
    parts = urlsplit(settings.alert_webhook_url)
    body = json.dumps({"id": notice.id, **notice.body}).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "akount"}
    if settings.alert_webhook_secret:
        headers[SIGNATURE] = signature(settings.alert_webhook_secret, body, int(time.time()))
    make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = make(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        raise Unavailable(f"The webhook does not answer ({type(error).__name__}).") from error
    finally:
        connection.close()
    if not 200 <= status < 300:
        raise Unavailable(f"The webhook answered {status}.")


def mail(settings: Settings, notice: Notice) -> None:
    """By e-mail, to each address. Raises Unavailable."""
    message = EmailMessage()
    message["From"], message["To"] = settings.alert_email_from, ", ".join(settings.alert_email_to)
    message["Subject"] = notice.subject
    message["Date"], message["Message-ID"] = format_datetime(now()), make_msgid(domain="akount.invalid")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(notice.text)
    try:
        with _mail_server(settings) as server:
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(f"The mail server did not take it ({type(error).__name__}).") from error


def _mail_server(settings: Settings) -> smtplib.SMTP:
    """The mail server, spoken with as SMTP_TLS says, signed in where there is a user."""
    trust = ssl.create_default_context()
    if settings.smtp_tls == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT, context=trust)
    else:
        server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT)
    with contextlib.ExitStack() as unless_ready:
        unless_ready.callback(server.close)
        if settings.smtp_tls == "starttls":
            server.starttls(context=trust)
        if settings.smtp_username:
            server.login(settings.smtp_username, settings.smtp_password)
        unless_ready.pop_all()
    return server


def within(seconds: float, deliver: Callable[[], Answer]) -> Answer:
    """Whoever answers a byte a second holds nobody up: the sender is left behind. Raises Unavailable."""
    outcome: list[Answer | AkountError] = []

    def run() -> None:
        try:
            outcome.append(deliver())
        except AkountError as error:
            outcome.append(error)

    sender = threading.Thread(target=run, name="notice", daemon=True)
    sender.start()
    sender.join(seconds)
    if not outcome:
        raise Unavailable("It took too long.")
    if isinstance(outcome[0], AkountError):
        raise outcome[0]
    return outcome[0]
