"""Writes the next migration from what the models say beyond the schema at head: `make migration NAME="Add this"`."""

import subprocess
import sys
import tempfile
from pathlib import Path

from alembic import command
from sqlalchemy.engine import make_url

from akount.db import schema


def main(name: str) -> None:
    with tempfile.TemporaryDirectory() as directory:
        url = f"sqlite:///{directory}/head.db"
        schema.migrate(url)
        number = len(list((schema.MIGRATIONS / "versions").glob("*.py"))) + 1
        command.revision(schema.alembic_of(make_url(url)), message=name, autogenerate=True, rev_id=f"{number:04}")
    written = max((schema.MIGRATIONS / "versions").glob("*.py"))
    written.write_text(
        written.read_text().replace(
            "from sqlalchemy.dialects import postgresql\n\n\n", "from sqlalchemy.dialects import postgresql\n\n"
        )
    )
    subprocess.run([Path(sys.executable).parent / "ruff", "format", "-q", written], check=True)
    subprocess.run([Path(sys.executable).parent / "ruff", "check", "-q", "--fix", written], check=True)
    print(written)


if __name__ == "__main__":
    main(sys.argv[1])
