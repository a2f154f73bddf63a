"""The door of the shell: `python -m akount …`."""

from akount.cli import main

main()
