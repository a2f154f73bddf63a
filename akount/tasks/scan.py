"""The task: one line that sends a job down the pipeline, and what a worker process holds open for it."""

from __future__ import annotations

from dataclasses import dataclass

from huey import Huey
from huey.api import Task

from akount import logs, pipeline
from akount.errors import Unavailable
from akount.extraction.sandbox import Limits, Sandbox
from akount.lifecycle import Runtime, open_runtime
from akount.tasks.queues import TASK
from config import Settings

log = logs.get(__name__)


@dataclass
class Workbench:
    """What one worker process works with."""

    runtime: Runtime
    reader: pipeline.Reader
    pulse: pipeline.Pulse

    @classmethod
    def open(cls, settings: Settings, queue: str, reader: pipeline.Reader | None = None) -> Workbench:
        """Opens everything in this process; the models are loaded before the first document comes."""
        runtime = open_runtime(settings)
        if reader is None:
            reader = _sandbox(settings)
        runtime.on_close("reader", reader.close)
        pulse = pipeline.Pulse(runtime, reader, queue)
        pulse.start()
        runtime.on_close("pulse", pulse.stop)
        return cls(runtime, reader, pulse)

    def process(self, queue: str) -> None:
        """Reads the document whose turn it is in a queue. With the database away the bell is lost, not the job: the sweep
        rings again, and gives back what was begun."""
        try:
            pipeline.process(self.runtime, self.reader, self.pulse, queue)
        except Unavailable as error:
            log.warning("job left to the sweep", code=error.code)

    def close(self) -> None:
        """Closes everything."""
        self.runtime.close()


def _sandbox(settings: Settings) -> Sandbox:
    sandbox = Sandbox(limits(settings))
    sandbox.start()
    return sandbox


def limits(settings: Settings) -> Limits:
    """What reading one document may cost, by the settings."""
    return Limits(settings.scan_timeout_seconds, settings.scan_memory_mb, settings.max_pages, settings.max_pixels)


def register(queue: Huey, bench: list[Workbench]) -> type[Task]:
    """Makes the task known to a queue. `bench` holds this process's workbench once it is open."""

    class scan(Task):  # type: ignore[misc]  # noqa: N801  Huey names a task by its class
        __module__ = TASK.rpartition(".")[0]

        def execute(self) -> None:
            bench[0].process(queue.name)

    queue._registry.register(scan)
    return scan
