"""Makes docs/images/demo.svg, the README's picture: a real run of the demo in fresh data, as the terminal shows it."""

import io
import os
import re
import tempfile
from pathlib import Path

from rich.console import Console

import config
from akount import demo, logs

ROOT = Path(__file__).resolve().parent.parent
WEB_FONT = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


def main() -> None:
    console = Console(record=True, file=io.StringIO(), width=165)
    with tempfile.TemporaryDirectory() as directory:
        os.environ |= {"DATA_DIR": directory, "PORT": "4999", "LOG_LEVEL": "ERROR"}  # what the children are told too
        settings = config.load()
        logs.configure(as_json=False, level="ERROR")
        demo.demo(settings, console, leave=True)
    picture = console.export_svg(title="make run")
    written = ROOT / "docs" / "images" / "demo.svg"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(WEB_FONT.sub("", picture), encoding="utf-8")
    print(written)


if __name__ == "__main__":
    main()
