"""Everything that can be refused, go wrong or run out, and whose turn it then is.

AkountError
├── Refused             the caller's turn: nothing was changed
│   ├── BadRequest          400
│   ├── Unauthenticated     401
│   ├── NotAllowed          403
│   ├── NotFound            404
│   ├── Conflict            409
│   ├── PreconditionFailed  412
│   ├── TooLarge            413
│   ├── UnsupportedType     415
│   ├── Invalid             422
│   │   └── Unreadable          the file itself: the next engine's turn, then permanent
│   ├── PreconditionRequired 428
│   └── LimitExceeded       429
├── Unavailable         503 a part we stand on is away: try again later
├── OutOfBounds         a child process broke its limits: a counted attempt
│   ├── TimedOut
│   ├── OutOfMemory
│   └── Crashed
└── SettingsError       the operator's turn: the process does not start

The docstring of a class is its default message, so the text and the documentation cannot drift apart.
`permanent` is the one property that decides whether a job is tried again (see ledger.py).
"""

from __future__ import annotations

import inspect
from typing import ClassVar


class AkountError(Exception):
    """Something went wrong on our side."""

    status: ClassVar[int] = 500
    code: str = "internal_error"
    permanent: ClassVar[bool] = True

    def __init__(
        self,
        detail: str | None = None,
        *,
        code: str | None = None,
        retry_after: float | None = None,
        headers: dict[str, str] | None = None,
        errors: dict[str, list[str]] | None = None,
    ) -> None:
        self.detail = detail or inspect.getdoc(type(self)) or self.code
        self.code = code or type(self).code
        self.retry_after = retry_after
        self.headers = headers or {}
        self.errors = errors or {}
        super().__init__(self.detail)


class Refused(AkountError):
    """The request was refused."""

    status = 400
    code = "refused"


class BadRequest(Refused):
    """The request could not be understood; compare it with the documentation."""

    code = "bad_request"


class Unauthenticated(Refused):
    """Sign in or send a valid API key as "Authorization: Bearer ak_…"."""

    status = 401
    code = "unauthenticated"


class NotAllowed(Refused):
    """Your role does not allow this."""

    status = 403
    code = "not_allowed"


class NotFound(Refused):
    """There is nothing here by that name."""

    status = 404
    code = "not_found"


class Conflict(Refused):
    """The thing has moved on since you last looked at it; read it again."""

    status = 409
    code = "conflict"


class PreconditionFailed(Refused):
    """It has been changed since you read it: read it again and decide anew."""

    status = 412
    code = "precondition_failed"


class PreconditionRequired(Refused):
    """Say in If-Match which version you read (its ETag), so that nobody's change is overwritten unseen."""

    status = 428
    code = "precondition_required"


class TooLarge(Refused):
    """The file is larger than the upload limit."""

    status = 413
    code = "file_too_large"


class UnsupportedType(Refused):
    """The file is not of a type that can be read; send a PDF, JPEG, PNG, WebP, TIFF, HEIC or e-invoice XML."""

    status = 415
    code = "unsupported_type"


class Invalid(Refused):
    """Some of what was sent is not valid."""

    status = 422
    code = "invalid"


class Unreadable(Invalid):
    """The document could not be read."""

    code = "unreadable"


class LimitExceeded(Refused):
    """Too many requests; wait a moment and try again."""

    status = 429
    code = "limit_exceeded"


class Unavailable(AkountError):
    """A part of the service is not available at the moment; try again later."""

    status = 503
    code = "unavailable"
    permanent = False


class OutOfBounds(AkountError):
    """Reading the document went beyond its limits."""

    code = "out_of_bounds"
    permanent = False


class TimedOut(OutOfBounds):
    """Reading the document took longer than allowed."""

    code = "timed_out"


class OutOfMemory(OutOfBounds):
    """Reading the document needed more memory than allowed."""

    code = "out_of_memory"


class Crashed(OutOfBounds):
    """The reader crashed on this document."""

    code = "crashed"


class SettingsError(AkountError):
    """The settings are not usable."""

    code = "settings_error"
