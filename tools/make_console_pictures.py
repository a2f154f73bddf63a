"""Makes docs/images/console-*.webp: the console's main pages on made-up data, in light and dark, at a desk and on a phone."""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "admin"))

import history_of_a_day
from browser import DESKTOP, PHONE, chromium, listening, somebody

from akount import db
from akount.models import Job
from fresh import make_settings, web_application
from scene import OPERATOR, PASSWORD, set_up

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        settings = make_settings(path, f"sqlite:///{path / 'console.db'}")
        db.migrate(settings.database)
        app = web_application(settings)
        runtime = app.extensions["akount"]
        scene = set_up(runtime.database, many=220)
        history_of_a_day.fill(runtime.database, [scene.ours.id, scene.theirs.id])
        with runtime.database.snapshot() as session:
            dead = session.get_one(Job, scene.dead[0])
        pages = {
            "overview": ("/admin/overview", "light", DESKTOP),
            "overview-dark": ("/admin/overview", "dark", DESKTOP),
            "jobs": ("/admin/jobs?state=failed", "light", DESKTOP),
            "job": (f"/admin/jobs/{dead.id}", "light", DESKTOP),
            "failures": ("/admin/failures", "light", DESKTOP),
            "queue": (f"/admin/queues/{dead.queue}", "dark", DESKTOP),
            "operation": (f"/admin/operations/{scene.operation}", "light", DESKTOP),
            "phone": ("/admin/overview", "dark", PHONE),
        }
        with chromium() as browser, listening(app) as address:
            for name, (where, theme, size) in pages.items():
                page = somebody(browser, address, OPERATOR, PASSWORD, theme=theme, size=size)
                page.goto(where)
                page.wait_for_timeout(300)
                keep(name, page.screenshot(full_page=name == "overview"))
                page.context.close()
        runtime.close()


def keep(name: str, png: bytes) -> None:
    """Small, and sharp enough to read."""
    path = IMAGES / f"console-{name}.webp"
    Image.open(io.BytesIO(png)).convert("RGB").save(path, "WEBP", quality=72, method=6)
    print(f"{path.name}: {path.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
