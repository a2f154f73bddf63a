"""The commands: `python -m akount …`, each one thin."""

from __future__ import annotations

import sys

import click

from akount.cli.common import cli
from akount.errors import AkountError, SettingsError


def main() -> None:
    """Runs a command: 0 well done, 1 could not be done, 2 wrong settings or words."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except SettingsError as error:
        click.echo(error.detail, err=True)
        sys.exit(2)
    except AkountError as error:
        click.echo(f"{error.detail} [{error.code}]", err=True)
        sys.exit(1)
