"""What a view takes and answers, said once: its input is validated by it and the API's specification is made from it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from flask import request
from marshmallow import EXCLUDE, Schema

from akount.api.guards import json_object
from akount.api.schemas import valid
from akount.kinds import Kind, kind_named

View = TypeVar("View", bound=Callable[..., Any])
Shape = type[Schema] | Callable[[Kind], type[Schema]] | str
"""A schema, one that depends on the kind of document, or media types that have none."""


@dataclass(frozen=True, slots=True)
class Contract:
    """What goes in and what comes out."""

    query: type[Schema] | None = None
    body: type[Schema] | Callable[[Kind], type[Schema]] | None = None
    required: bool = True
    "whether the body must be sent"
    form: type[Schema] | None = None
    "of multipart/form-data, beside the file"
    headers: Mapping[str, str] = field(default_factory=dict)
    "request headers that mean something here, with a sentence each"
    answers: Mapping[int, Shape | None] = field(default_factory=dict)
    "by status; None: without a body"
    refusals: frozenset[int] = frozenset()
    "statuses of problems beyond those that every view of its sort may answer"


def contract(view: Callable[..., Any]) -> Contract:
    """The contract of a view; an empty one for a view that says nothing."""
    found: Contract = getattr(view, "contract", Contract())
    return found


def takes(
    *,
    query: type[Schema] | None = None,
    body: type[Schema] | Callable[[Kind], type[Schema]] | None = None,
    required: bool = True,
) -> Callable[[View], View]:
    """The view is called with `query` and `body` as the schemas loaded them; a body may depend on the kind of document that
    the path says, and may be left out where it is not `required`. Raises Invalid, BadRequest."""

    def mark(view: View) -> View:
        @functools.wraps(view)
        def checked(**named: Any) -> Any:
            if query is not None:
                named["query"] = valid(query(unknown=EXCLUDE), request.args.to_dict())
            if body is not None:
                schema = body if isinstance(body, type) else body(kind_named(named["kind_name"]))
                named["body"] = valid(schema(), json_object(required=required))
            return view(**named)

        checked.contract = replace(contract(view), query=query, body=body, required=required)  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return mark


def says(
    *refusals: int, form: type[Schema] | None = None, headers: Mapping[str, str] | None = None, **answers: Shape | None
) -> Callable[[View], View]:
    """What the view answers: `says(409, _200=JobSchema)`. For the specification; the tests hold it against the answers."""

    def mark(view: View) -> View:
        view.contract = replace(  # type: ignore[attr-defined]
            contract(view),
            form=form,
            headers=headers or {},
            answers={int(name.removeprefix("_")): shape for name, shape in answers.items()},
            refusals=frozenset(refusals),
        )
        return view

    return mark
