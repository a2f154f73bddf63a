"""The least that Flask can do, to compare with: one view, no guard, no header, nothing asked of anybody."""

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue

app = Flask(__name__)


@app.get("/")
def small() -> ResponseReturnValue:
    """As little as an answer can be."""
    return jsonify(status="ok")
