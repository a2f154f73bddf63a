"""The door of the shell: `python -m akount …`."""

from akount.processes import loading

with loading():
    from akount.cli import main

main()
