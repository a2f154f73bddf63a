"""The least that Flask can do, to compare with: no header, no limit, no log, nothing asked of anybody."""

import hashlib
import os
import uuid

from flask import Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from akount.db import engine_url
from akount.models import ApiKey, Job

app = Flask(__name__)
engine = create_engine(engine_url(os.environ["BARE_DATABASE_URL"]), connect_args={"options": "-c akount.tenant=*"})


@app.get("/")
def small() -> ResponseReturnValue:
    """As little as an answer can be."""
    return jsonify(status="ok")


@app.get("/<uuid:job_id>")
def job(job_id: uuid.UUID) -> ResponseReturnValue:
    """The two questions that nobody who signs in and shows a job can leave out."""
    token = request.headers["Authorization"].removeprefix("Bearer ")
    with Session(engine) as session:
        key = session.scalar(select(ApiKey).where(ApiKey.hash == hashlib.sha256(token.encode()).hexdigest()))
        found = None if key is None else session.scalar(select(Job).where(Job.id == job_id, Job.tenant_id == key.tenant_id))
        return jsonify(id=found.id, status=found.status, progress=found.progress) if found is not None else abort(404)
