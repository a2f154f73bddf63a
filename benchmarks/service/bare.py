"""The least that Flask can do with an upload: no guard, no row, no queue, nothing asked of anybody."""

import os
import shutil
import uuid
from pathlib import Path

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

app = Flask(__name__)


@app.get("/")
def small() -> ResponseReturnValue:
    """As little as an answer can be."""
    return jsonify(status="ok")


@app.post("/scan")
def keep() -> ResponseReturnValue:
    """A file that comes in is made safe on disk, and that is all."""
    name = uuid.uuid4().hex
    path = Path(os.environ["BARE_FILES"]) / name
    with path.with_suffix(".part").open("wb") as file:
        shutil.copyfileobj(request.files["file"].stream, file)
        file.flush()
        os.fsync(file.fileno())
    path.with_suffix(".part").replace(path)
    return jsonify(jobId=name), 202
