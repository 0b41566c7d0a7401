"""The entry point ``xunyi``: finds the command, and puts every failure into one line.

A command's module is imported when it is called, so that ``serve``, whose own process only watches over
others, carries none of what searching needs.  Exit status: 0 done, 1 nothing found or a check failed,
2 wrong use or input, 70 a bug.
"""

import logging
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from search.errors import SearchError

COMMANDS: Mapping[str, str] = {
    "ingest": "indexer.shell.ingest:ingest",
    "search": "indexer.shell.search:search",
    "similar": "indexer.shell.search:similar",
    "collections": "indexer.shell.collections:collections",
    "delete": "indexer.shell.collections:delete",
    "evaluate": "indexer.shell.evaluate:evaluate",
    "serve": "indexer.shell.serve:serve",
    "worker": "indexer.shell.worker:worker",
    "verify": "indexer.shell.verify:verify",
    "demo": "indexer.shell.demo:demo",
}

BUG = 70
INTERRUPTED = 130

log = logging.getLogger(__name__)


class Commands(click.Group):
    """A group that imports a command when somebody asks for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of a first acquaintance."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", metavar="DIR", help="Data folder (default: $XUNYI_HOME, else ~/.xunyi).")
@click.version_option(package_name="xunyi")
@click.pass_context
def group(context: click.Context, home: str | None) -> None:
    """Search English and Chinese documents by meaning: ingest files, ask, serve."""
    context.obj = {"home": home}


def main() -> None:
    """Run one command and leave with its exit status."""
    logging.basicConfig(level=logging.WARNING, format="xunyi: %(message)s", stream=sys.stderr)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; return the exit status."""
    try:
        status: Any = group.main(arguments, prog_name="xunyi", standalone_mode=False)
    except SearchError as error:
        return _told(str(error))
    except click.ClickException as error:
        return _told(error.format_message())
    except BrokenPipeError:
        return _reader_gone()
    except (click.Abort, KeyboardInterrupt):
        return _told("stopped", INTERRUPTED)
    except Exception:
        log.exception("this is a bug in xunyi; please report it with these lines")
        return BUG
    return status if isinstance(status, int) else 0


def _reader_gone() -> int:
    """End quietly: whoever read the output (`| head`) has had enough of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _told(message: str, status: int = 2) -> int:
    print(f"xunyi: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    return status


if __name__ == "__main__":
    main()
