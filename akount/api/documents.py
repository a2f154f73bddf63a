"""/api/documents/…: what was sent, the file itself, and that it be forgotten."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, jsonify
from werkzeug.http import dump_options_header
from werkzeug.wsgi import FileWrapper

from akount import dossiers
from akount.accounts import Permission
from akount.api.contract import says, takes
from akount.api.guards import call, needs, runtime
from akount.api.record_schemas import DocumentSchema, ReasonBody
from akount.edge import sandboxed

bp = Blueprint("documents", __name__)

MEDIA = "application/pdf, image/jpeg, image/png, image/webp, image/tiff, image/heic, application/xml"


@bp.get("/<uuid:document_id>")
@needs(Permission.VIEW)
@says(_200=DocumentSchema)
def show(document_id: uuid.UUID) -> Response:
    """A document, with its job and the record that came of it; of one that was erased the tombstone."""
    return jsonify(DocumentSchema().dump(dossiers.find(runtime(), call().actor, document_id)))


@bp.get("/<uuid:document_id>/file")
@sandboxed
@needs(Permission.VIEW)
@says(_200=MEDIA)
def file(document_id: uuid.UUID) -> Response:
    """The file as it was sent, to be kept, not shown; the audit log says who took it."""
    document, opened = dossiers.original(runtime(), call(), document_id)
    response = Response(FileWrapper(opened), content_type=document.media_type, direct_passthrough=True)
    response.call_on_close(opened.close)
    response.headers["Content-Length"] = str(document.size)
    response.headers["Content-Disposition"] = _attachment(document.filename)
    return response


@bp.get("/<uuid:document_id>/pages/<int:page>.png")
@needs(Permission.VIEW)
@says(422, _200="image/png")
def page(document_id: uuid.UUID, page: int) -> Response:
    """A page, counted from 1, as a picture that we have drawn: nothing of the file itself is in it."""
    picture = dossiers.picture(runtime(), call().actor, document_id, page)
    response = Response(picture, content_type="image/png")
    response.headers["Cache-Control"] = "private, max-age=600"
    return response


@bp.post("/<uuid:document_id>/erase")
@needs(Permission.ERASE)
@takes(body=ReasonBody)
@says(409, _200=DocumentSchema)
def erase(document_id: uuid.UUID, body: dict[str, Any]) -> Response:
    """Forgets a document: the file and all that was read from it. An approved record stays, without evidence."""
    return jsonify(DocumentSchema().dump(dossiers.erase(runtime(), call(), document_id, body["reason"])))


def _attachment(filename: str) -> str:
    """The name for people, as a header can have it (RFC 6266)."""
    plain = filename.encode("ascii", "replace").decode().replace("?", "_")
    named = {"filename": plain} | ({} if plain == filename else {"filename*": f"UTF-8''{quote(filename, safe='')}"})
    return dump_options_header("attachment", named)
