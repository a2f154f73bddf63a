"""What people ask of the files that were sent: see a page, have the file back.

People see pictures made by us, never the file itself: that is handed out as an attachment only. Pictures are not kept: one
costs tens of milliseconds, a kept one would have to be found, guarded and erased like the file.
"""

from __future__ import annotations

import uuid
from typing import BinaryIO

from sqlalchemy import select

from akount.accounts import Actor
from akount.errors import Invalid, NotFound, OutOfBounds, Unreadable
from akount.lifecycle import Runtime
from akount.models import Document

PAGE_SECONDS = 10.0
"""So long one page may take to be drawn."""
TURN_SECONDS = 5.0
"""So long somebody waits while others have pages drawn; then the answer is 503 with Retry-After."""


def find(runtime: Runtime, actor: Actor, document_id: uuid.UUID) -> Document:
    """A document of the actor's tenant. Raises NotFound."""
    with runtime.database.snapshot() as session:
        found = session.scalar(select(Document).where(Document.id == document_id, Document.tenant_id == actor.tenant))
    if found is None:
        raise NotFound("There is no such document.")
    return found


def original(runtime: Runtime, document: Document) -> BinaryIO:
    """The file as it is stored, checked. Raises NotFound when the storage does not have it, Damaged."""
    try:
        return runtime.storage.open(document.storage_key, document.checksum)
    except FileNotFoundError:
        raise NotFound("The file of this document is not in the storage any more.", code="file_gone") from None


def page(runtime: Runtime, document: Document, number: int) -> bytes:
    """A page, counted from 1, as PNG made by us in a confined child process. Raises NotFound for a page that is not there,
    Unreadable for a file that cannot be opened, Invalid for one that cannot be shown, Unavailable when all is busy."""
    with original(runtime, document) as file, runtime.opener.held(TURN_SECONDS) as sandbox:
        try:
            return sandbox.page(file, document.media_type, number, PAGE_SECONDS)
        except Unreadable as error:
            if error.code == "no_such_page":
                raise NotFound(error.detail, code=error.code) from error
            raise
        except OutOfBounds as error:
            raise Invalid("This page cannot be shown: drawing it goes beyond the limits.", code="page_not_shown") from error
