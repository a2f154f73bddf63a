"""Runs a command that ends with the process that asked for it: `leash PARENT-PID COMMAND …`."""

from __future__ import annotations

import os
import signal
import sys

from akount.processes import die_with_parent

if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]), signal.SIGTERM)
    os.execvp(sys.argv[2], sys.argv[2:])
