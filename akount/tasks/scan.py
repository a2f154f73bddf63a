"""The task: one line that sends a job down the pipeline, and what a worker process holds open for it."""

from __future__ import annotations

from dataclasses import dataclass

from huey import Huey
from huey.api import Task

from akount import logs, pipeline, pools
from akount.errors import Unavailable
from akount.extraction.sandbox import Limits
from akount.extraction.tiers import TieredSandbox
from akount.lifecycle import CLOSE_SECONDS, Runtime, open_runtime
from akount.tasks.queues import TASK
from config import Settings

log = logs.get(__name__)


@dataclass
class Workbench:
    """What one worker process works with."""

    runtime: Runtime
    reader: pipeline.Reader
    pulse: pipeline.Pulse
    owing: bool = False
    "a job in hand was to be given back, and was not"

    @classmethod
    def open(cls, settings: Settings, queue: str, reader: pipeline.Reader | None = None) -> Workbench:
        """Opens everything in this process; the models are loaded before the first document comes."""
        runtime = open_runtime(settings, pools.WORKER)
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
        except KeyboardInterrupt:
            self.owing = False
            raise

    def interrupt(self) -> None:
        """Has the job in hand given back: the pipeline does so at a KeyboardInterrupt, in this thread. One that is being
        taken or booked at this moment is let be: that takes milliseconds, and cut in two it would count as an attempt."""
        if self.pulse.holding:
            self.owing = True
            raise KeyboardInterrupt

    def close(self) -> None:
        """Closes everything."""
        self.runtime.close()

    def shut_down(self) -> bool:
        """Closes everything, in time. Answers whether it did, and nothing is owed to the ledger."""
        return self.runtime.shut_down(CLOSE_SECONDS) and not self.owing


def _sandbox(settings: Settings) -> TieredSandbox:
    sandbox = TieredSandbox(Limits.of(settings))
    sandbox.start()
    return sandbox


def register(queue: Huey, bench: list[Workbench]) -> type[Task]:
    """Makes the task known to a queue. `bench` holds this process's workbench once it is open."""

    class scan(Task):  # type: ignore[misc]  # noqa: N801  Huey names a task by its class
        __module__ = TASK.rpartition(".")[0]

        def execute(self) -> None:
            bench[0].process(queue.name)

    queue._registry.register(scan)
    return scan
