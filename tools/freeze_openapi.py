"""Writes docs/openapi.json, the frozen copy of the API's specification: `make openapi`."""

import json
import tempfile
from pathlib import Path

import config
from akount import db
from akount.api.openapi import specification
from akount.app import create_app

FROZEN = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        settings = config.load({"APP_ENV": "test", "DATA_DIR": directory}, env_file=Path(directory) / "no.env")
        db.migrate(settings.database)
        app = create_app(settings)
        FROZEN.write_text(json.dumps(specification(app), indent=2) + "\n", encoding="utf-8")
        app.extensions["akount"].close()
    print(FROZEN)


if __name__ == "__main__":
    main()
