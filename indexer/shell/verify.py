"""``xunyi verify``: prove that what is stored holds together."""

import click

from indexer.shell import options
from indexer.verifying import verify as run_verification

CHECK_FAILED = 1


@click.command(short_help="Check the database, vectors, token states and caches.")
@options.json_option
@options.home_option
def verify(as_json: bool, home: str | None) -> int:
    """Check the database, every vector, all token states and every cache file; nothing is changed."""
    with options.service(home) as service:
        result = run_verification(service)
    if as_json:
        options.print_json(result)
    else:
        console = options.Output(highlight=False, markup=False)
        for problem in result.problems:
            console.print(f"{problem.where}: {problem.detail} ({problem.code})")
        for note in result.notes:
            console.print(note)
        state = "clean" if not result.problems else options.counted(len(result.problems), "problem")
        documents = options.counted(result.documents, "document")
        console.print(f"{state}: {documents}, {options.counted(result.passages, 'passage')}")
    return CHECK_FAILED if result.problems else 0
