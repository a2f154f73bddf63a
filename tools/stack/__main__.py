"""`make stack`: nginx, two web servers, a worker for each queue, Postgres and Redis, until Ctrl-C; nothing is kept."""

import argparse
import sys
import tempfile
from pathlib import Path

from akount import logs
from tools.stack.stack import Shape, Stack, running

TEXT = """
The stack is up at {address} (nginx, {web} web servers, {workers} workers, Postgres, Redis).

  KEY={key}
  curl -H "Authorization: Bearer $KEY" -F file=@samples/bindery-chf.pdf {address}/api/business/bills/scan
  curl -H "Authorization: Bearer $KEY" {address}/api/business/bills

Logs: {logs}. Ctrl-C stops everything in order; nothing of it is kept.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.stack", description=__doc__)
    parser.add_argument("--web", type=int, default=2, help="web servers")
    parser.add_argument("--workers", type=int, default=1, help="workers for each queue")
    parser.add_argument("--processes", type=int, default=1, help="reading processes of each worker")
    asked = parser.parse_args()
    logs.configure(as_json=False, level="WARNING")
    shape = Shape(web=asked.web, workers=asked.workers, worker_processes=asked.processes)
    print("Starting Postgres, Redis, web servers, workers and nginx …", flush=True)
    with tempfile.TemporaryDirectory(prefix="akount-stack-") as directory:
        with running(Path(directory), shape) as stack:
            if not stack.stopping:
                print(_text(stack), flush=True)
            stack.watch()
        return 0 if set(stack.exit_codes.values()) == {0} else 1


def _text(stack: Stack) -> str:
    key = stack.ground.people.ada.key
    return TEXT.format(address=stack.address, key=key, web=len(stack.web), workers=len(stack.workers), logs=stack.logs)


if __name__ == "__main__":
    sys.exit(main())
