"""A worker for tests, started as a process: `python start_worker.py QUEUE PROCESSES FILE [hung|talkative]`.

Its reader needs no models: it reads until FILE is there. `hung`: a part of it hangs when it is closed. `talkative`: it tells
of itself all the time, and so hears at once what is asked of it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from akount.processes import loading

with loading():
    import config
    from akount import logs, workers
    from akount.errors import Crashed
    from akount.readings import Reading, ReadingOptions
    from akount.tasks import scan
    from akount.tasks.consumer import work
    from make import reading


class PatientReader:
    pids: tuple[int, ...] = ()
    models_loaded = False

    def __init__(self, file: Path) -> None:
        self._file = file
        self._abandoned = False

    def read(self, file: BinaryIO, media_type: str, report: Callable[[float], None], options: ReadingOptions) -> Reading:
        while not self._file.exists():
            time.sleep(0.02)
            if self._abandoned:
                raise Crashed
        return reading()

    def abandon(self) -> None:
        self._abandoned = True

    def close(self) -> None:
        self._abandoned = True


def hang_at_the_end() -> None:
    register = scan.Workbench.open.__func__

    def opened(cls: type[scan.Workbench], *arguments: object) -> scan.Workbench:
        bench: scan.Workbench = register(cls, *arguments)
        bench.runtime.on_close("hung", lambda: time.sleep(999))
        return bench

    scan.Workbench.open = classmethod(opened)  # type: ignore[assignment]


def main() -> None:
    queue, processes, file, *more = sys.argv[1:]
    settings = config.load()
    logs.configure(as_json=True, level=settings.log_level)
    if more == ["hung"]:
        hang_at_the_end()
    if more == ["talkative"]:
        workers.TELL_SECONDS = 0.1  # type: ignore[assignment]
    sys.exit(0 if work(settings, queue, int(processes), PatientReader(Path(file))) else 1)


if __name__ == "__main__":
    main()
