"""The entry point ``xunyi``: finds the command, and puts every failure into one line.

A command's module is imported when it is called, so that ``serve``, whose own process only watches over
others, carries none of what searching needs.  Exit status: 0 done, 1 nothing found or a check failed,
2 wrong use or input, 70 a bug.
"""

import errno
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from typing import Any

import click

from search.errors import InvalidInput, SearchError, StorageFull
from search.registry import nearest

COMMANDS: Mapping[str, str] = {
    "ingest": "indexer.shell.ingest:ingest",
    "search": "indexer.shell.search:search",
    "similar": "indexer.shell.search:similar",
    "collections": "indexer.shell.collections:collections",
    "delete": "indexer.shell.collections:delete",
    "train": "indexer.shell.train:train",
    "encoders": "indexer.shell.encoders:encoders",
    "words": "indexer.shell.words:words",
    "map": "indexer.shell.map:map_command",
    "calibrate": "indexer.shell.calibrate:calibrate",
    "evaluate": "indexer.shell.evaluate:evaluate",
    "judgements": "indexer.shell.judgements:judgements",
    "serve": "indexer.shell.serve:serve",
    "worker": "indexer.shell.worker:worker",
    "verify": "indexer.shell.verify:verify",
    "demo": "indexer.shell.demo:demo",
}

BUG = 70
INTERRUPTED = 130
FULL = (errno.ENOSPC, errno.EDQUOT)

log = logging.getLogger(__name__)


class Commands(click.Group):
    """A group that imports a command when somebody asks for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, in the order of a first acquaintance."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first argument names, and the other arguments."""
        if args[0] not in COMMANDS:
            near = nearest(args[0], COMMANDS)
            cure = f"did you mean {near[0]!r}?" if near else "`xunyi --help` lists them"
            raise click.UsageError(f"there is no command {args[0]!r}; {cure}")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by name."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        for parameter in command.params:
            if parameter.type is click.STRING:
                parameter.callback = text_only
        return command


def text_only(context: click.Context, parameter: click.Parameter, given: Any) -> Any:
    """Return an argument that is no path, and so will be stored or read; refuse one that is not UTF-8."""
    for text in (given,) if isinstance(given, str) else given or ():
        try:
            text.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(text).decode(errors="backslashreplace")
            raise click.BadParameter(f"{shown} is not valid UTF-8", context, parameter) from None
    return given


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--home", type=click.Path(), metavar="DIR", help="Data folder (default: $XUNYI_HOME, else ~/.xunyi)."
)
@click.version_option(package_name="xunyi")
@click.pass_context
def group(context: click.Context, home: str | None) -> None:
    """Search English and Chinese documents by meaning: ingest files, ask, serve."""
    context.obj = {"home": home}


def main() -> None:
    """Run one command and leave with its exit status."""
    logging.basicConfig(level=logging.WARNING, format="xunyi: %(message)s", stream=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # where a terminal knows no Chinese, say so in ASCII
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line; return the exit status."""
    try:
        # Not ``group.main``, which ends the process by itself when a reader goes away.
        with group.make_context("xunyi", list(arguments)) as context:
            status: Any = group.invoke(context)
        _write_out()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except SearchError as error:
        return _told(f"{error} ({error.code})")
    except click.ClickException as error:
        return _told(f"{_wrong_use(error)} ({InvalidInput.code})")
    except BrokenPipeError:
        return _reader_gone()
    except (click.Abort, KeyboardInterrupt):
        return _told("stopped", INTERRUPTED)
    except OSError as error:
        if error.errno not in FULL:
            return _bug()
        with suppress(OSError):
            _write_out()
        return _told(f"the disk is full; free some space and try again ({StorageFull.code})")
    except Exception:
        return _bug()
    return status if isinstance(status, int) else 0


def _write_out() -> None:
    """Write what is held back; what cannot be written is let go, or it would be tried again at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
        raise


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _wrong_use(error: click.ClickException) -> str:
    """Return what is wrong in words, and how to give what was perhaps not meant as an option."""
    told = error.format_message()
    if not isinstance(error, click.NoSuchOption) or error.possibilities or error.ctx is None:
        return told
    if not any(isinstance(taken, click.Argument) for taken in error.ctx.command.params):
        return told
    return f"{told.rstrip('.')}; what begins with - and is no option goes after --"


def _bug() -> int:
    log.exception("this is a bug in xunyi; please report it with these lines")
    return BUG


def _reader_gone() -> int:
    """End quietly: whoever read the output (`| head`) has had enough of it."""
    _drop_output()
    return 0


def _told(message: str, status: int = 2) -> int:
    print(f"xunyi: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201
    return status


if __name__ == "__main__":
    main()
