"""What the tests of the console share: somebody at a browser, without one."""

import contextlib
import re
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from sqlalchemy import Connection, event
from werkzeug.test import TestResponse

from akount.db import Database
from akount.models import Role
from ways import OURS, session_token

TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Visitor:
    """Somebody with cookies, who sends the forms of the pages they see."""

    app: Flask
    token: str = ""
    headers: dict[str, str] = field(default_factory=lambda: dict(OURS))

    def __post_init__(self) -> None:
        self.client = self.app.test_client()
        if self.token:
            self.client.set_cookie("akount", self.token)

    def get(self, path: str, **more: Any) -> TestResponse:
        return self._ask("GET", path, **more)

    def post(self, path: str, csrf: str | None = None, **form: Any) -> TestResponse:
        """As a form of the page that the visitor may see sends it."""
        said = form | {"csrf": self.csrf() if csrf is None else csrf}
        return self._ask("POST", path, data=said)

    def csrf(self) -> str:
        """The token out of the head of a page."""
        found = TOKEN.search(self.get("/admin/nothing").text)
        return found[1] if found else ""

    def _ask(self, method: str, path: str, **more: Any) -> TestResponse:
        headers = self.headers | more.pop("headers", {})
        answer = self.client.open(path, method=method, headers=headers, buffered=True, **more)
        answer.close()
        return answer

    def flash(self, answer: TestResponse) -> str:
        """What the page says that an action leads to."""
        assert answer.status_code == 303, answer.text
        found = re.search(r'class="flash (\w+)" role="status">.*?</svg>([^<]*)', self.get(answer.headers["Location"]).text)
        return f"{found[1]}: {found[2]}" if found else ""


def visitor(app: Flask, database: Database, tenant_id: uuid.UUID, role: Role) -> Visitor:
    """Somebody new with that role, signed in."""
    return Visitor(app, session_token(database, tenant_id, role))


@contextlib.contextmanager
def questions(app: Flask) -> Iterator[list[str]]:
    """Every statement that requests send to the database, in order, and where a transaction of the console begins. What the
    watchman asks meanwhile, in a thread of its own, is no question of theirs."""
    said: list[str] = []
    console = app.extensions["console"].database.engine

    def hear(connection: Connection, _cursor: object, statement: str, *_more: object) -> None:
        begins = statement.startswith("BEGIN")  # SQLite's driver says it as a statement
        if threading.current_thread().name != "watchman" and (not begins or connection.engine is console):
            said.append(statement)

    engines = [app.extensions["akount"].database.engine, console]
    for engine in engines:
        event.listen(engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", hear)
