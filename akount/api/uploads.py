"""POST …/scan: a file comes in, streamed to the storage as it arrives."""

from __future__ import annotations

from typing import IO, Any

from flask import Blueprint, Request, Response, jsonify, request, url_for
from werkzeug.exceptions import RequestEntityTooLarge

from akount import intake, metrics, scans
from akount.accounts import Permission
from akount.api.contract import says
from akount.api.guards import call, needs, new_ticket, runtime
from akount.api.schemas import PRIORITIES, SubmissionSchema, UploadForm, valid
from akount.errors import BadRequest, TooLarge
from akount.kinds import kind_named
from akount.scans import Submission
from akount.storage import Incoming

bp = Blueprint("uploads", __name__)

FORM_OVERHEAD = 65_536
"""Bytes of a request beyond the file itself: boundaries, headers and the other fields."""
FORM_PARTS = 10
_FORM, _SUBMISSION = UploadForm(unknown="exclude"), SubmissionSchema()


class UploadRequest(Request):
    """A request whose file goes straight into the storage, never into memory."""

    max_form_parts = FORM_PARTS
    incoming: Incoming | None = None
    limit = 0
    "bytes of the file, once it is known whose it is"

    def allow(self, limit: int) -> None:
        """A file of so many bytes may come, and the form around it."""
        self.limit, self.max_content_length = limit, limit + FORM_OVERHEAD

    def is_beyond(self) -> bool:
        """Whether more is announced, or has come, than a file may have."""
        came = 0 if self.incoming is None else self.incoming.size
        return (self.content_length or came) > self.limit

    def _get_file_stream(self, *_args: Any, **_kwargs: Any) -> IO[bytes]:
        if self.incoming is not None:
            raise BadRequest("Send one file in a request.", code="one_file_only")
        self.incoming = runtime().storage.receive(self.limit)
        return self.incoming  # type: ignore[return-value]


@bp.post("/scan")
@needs(Permission.UPLOAD)
@says(
    404,
    409,
    form=UploadForm,
    headers={"Idempotency-Key": "the same key with the same file has the same answer for 24 hours"},
    _200=SubmissionSchema,
    _202=SubmissionSchema,
)
def scan(kind_name: str) -> tuple[Response, int]:
    """Takes one document to be read: 202 with the job, or 200 with the job that the same file has already."""
    kind = kind_named(kind_name)
    if isinstance(request, UploadRequest):
        request.allow(scans.largest(runtime(), call().actor, request.content_length))
    try:
        form = valid(_FORM, _fields(request))
        file = request.files.get("file")
        incoming = request.incoming if isinstance(request, UploadRequest) else None
        if file is None or incoming is None:
            raise BadRequest('Send the document in the field "file" of a multipart/form-data request.', code="file_required")
        submission = scans.submit(
            runtime(),
            call(),
            kind,
            incoming,
            filename=file.filename,
            entity_id=form["entity_id"],
            priority=PRIORITIES[form["priority"]],
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
    finally:
        if isinstance(request, UploadRequest) and request.incoming is not None:
            request.incoming.close()
    if not (submission.duplicate or submission.replayed):
        metrics.uploaded(kind.name, incoming.size)
    response = jsonify(_answer(submission))
    if submission.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response, 200 if submission.duplicate else 202


def _fields(request: Request) -> dict[str, str]:
    """The form's fields, read as it comes in. Raises TooLarge as soon as more is announced, or comes, than may."""
    try:
        return request.form.to_dict()
    except RequestEntityTooLarge:
        if isinstance(request, UploadRequest) and request.is_beyond():
            raise intake.too_large(request.limit) from None
        raise TooLarge("The form has too many or too long fields beside the file; send those that are asked for.") from None


def _answer(submission: Submission) -> dict[str, Any]:
    job = submission.job
    answer: dict[str, Any] = {
        "job_id": job.id,
        "document_id": job.document_id,
        "status": "queued",
        "message": "The document will be read now.",
        "status_url": url_for("jobs.show", job_id=job.id),
        "stream_url": url_for("jobs.stream", job_id=job.id, ticket=new_ticket(call().actor, job.id)),
    }
    if submission.duplicate:
        answer |= {"duplicate": True, "message": "This file was sent before; nothing was added.", "status": job.status.value}
    shown: dict[str, Any] = _SUBMISSION.dump(answer)
    return shown
