"""``xunyi serve``: the pages and the API."""

import ipaddress

import click

from indexer import serving
from indexer.settings import Settings
from indexer.shell.numbers import PORT, Number
from indexer.store.schema import open_database
from search.errors import InvalidInput


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8080, show_default=True, help="Port.")
@click.option(
    "--workers",
    type=Number(1, 64),
    default=1,
    show_default=True,
    help="Web processes, each with a model.",
)
@click.option("--no-worker", is_flag=True, help="Leave tasks and caches to a worker started elsewhere.")
@click.option(
    "--home", type=click.Path(), metavar="DIR", help="Data folder (default: $XUNYI_HOME, else ~/.xunyi)."
)
def serve(host: str, port: int, workers: int, no_worker: bool, home: str | None) -> None:
    """Serve the pages and the JSON API until stopped with Ctrl-C."""
    chosen = home or (click.get_current_context().find_root().obj or {}).get("home")
    settings = Settings.from_environment(home=chosen)
    if not _is_loopback(host) and settings.api_key is None:
        raise InvalidInput(
            f"listening on {host} lets others in; set XUNYI_API_KEY to a secret they must send, "
            "or listen on 127.0.0.1"
        )
    open_database(settings).close()  # what is wrong with the home is told here, once, and not by each process
    taken = serving.listening(host, port)
    name = host.strip("[]")
    shown = f"[{name}]" if ":" in name else name
    click.echo(f"xunyi serves http://{shown}:{port}/ from {settings.home} (Ctrl-C stops it)", err=True)
    environment = {"XUNYI_HOME": str(settings.home)}
    serving.serve(taken, workers, environment, with_worker=not no_worker)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
