"""The README promises what the program does: commands, routes, variables, codes, files, filters, examples."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from indexer.cli import group
from indexer.readers.catalog import readable_extensions
from indexer.settings import Settings
from indexer.shell.demo import COLLECTION
from indexer.store.filters import COMBINERS, DOCUMENT_COLUMNS, OPERATORS
from search import errors
from tests.faults.processes import PATIENCE_SECONDS, Served
from web.app import create_app
from web.errors import STATUS

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
PARAMETER = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>")


def section(heading: str) -> str:
    found = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", README, re.M | re.S)
    assert found, f"README has no section {heading!r}"
    return found[1]


def names(heading: str) -> list[str]:
    """What stands between backticks in the first cells of the tables under ``heading``."""
    first_cells = re.findall(r"^\|(.*?)\|", section(heading), re.M)
    return [name for cell in first_cells for name in re.findall(r"`([^`]+)`", cell)]


def commands() -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group, info_name="xunyi")
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, f"{name} is listed and cannot be had"
        yield f"xunyi {name}", command


def routes(home: Path) -> list[str]:
    """``METHOD /path/{parameter}`` for all that the application answers, its static files apart."""
    app = create_app(Settings.from_environment({}, home=home))
    return [
        method + " " + PARAMETER.sub(r"{\1}", rule.rule)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    ]


class Noting(dict[str, str]):
    """An environment without variables which remembers those that were asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def get(self, name, default=None):
        self.asked.add(name)
        return default

    def __contains__(self, name):
        self.asked.add(name)
        return False


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_has_a_row_and_help(name):
    command = COMMANDS[name]
    assert command.help
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help and not option.hidden] == []
    assert any(row.split()[:2] == name.split() for row in names("Commands"))


def test_no_summary_of_a_command_is_cut_short_on_eighty_columns():
    said = CliRunner().invoke(group, ["--help"], terminal_width=80).output.partition("Commands:\n")[2]
    lines = said.splitlines()
    assert {line.split()[0] for line in lines} == {name.removeprefix("xunyi ") for name in COMMANDS}
    assert [line for line in lines if line.endswith("...")] == []


def test_every_row_is_a_command():
    rows = [row for row in names("Commands") if row.startswith("xunyi ")]
    assert rows
    assert {" ".join(row.split()[:2]) for row in rows} == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_options_in_a_row_are_the_command_s(name):
    row = next(line for line in section("Commands").splitlines() if line.startswith(f"| `{name}"))
    known = {spelling for option in COMMANDS[name].params for spelling in option.opts}
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", row)) <= known


def test_the_demo_has_the_document_that_the_quick_start_asks_for():
    key = re.search(r"^xunyi similar -c (\S+) (\S+) ", section("Quick start"), re.M)
    assert key and key[1] == COLLECTION
    corpus = (Path(__file__).parent.parent / "indexer" / "demo" / "corpus.jsonl").read_text("utf-8")
    assert key[2] in {json.loads(line)["_id"] for line in corpus.splitlines()}


def test_routes_are_those_of_the_application(tmp_path):
    assert sorted(names("Routes")) == sorted(routes(tmp_path))


def test_variables_are_those_of_the_settings():
    environment = Noting()
    Settings.from_environment(environment)
    assert set(names("Settings")) == environment.asked


def test_error_codes_and_statuses_are_those_of_the_program():
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", section("Errors"), re.M)
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and "code" in vars(kind)]
    assert rows == [(kind.code, str(STATUS[kind])) for kind in kinds]


def test_files_are_those_that_have_a_reader():
    named = [name for name in names("What is read") if name.startswith(".")]
    assert sorted(named) == sorted(readable_extensions())


def test_operators_and_facts_are_those_of_filters():
    assert sorted(names("Filters")) == sorted([*OPERATORS, *COMBINERS])
    assert set(re.findall(r"`(document\.\w+)`", section("Filters"))) == set(DOCUMENT_COLUMNS)


ALOUD = 'curl() { command curl --silent --show-error --fail-with-body --noproxy "*" "$@" && echo; }'
"""A ``curl`` that fails where the service refuses, and ends each answer with a line."""


def answers(text: str) -> Iterator[object]:
    """JSON values that follow one another."""
    decoder = json.JSONDecoder()
    while text := text.strip():
        value, end = decoder.raw_decode(text)
        yield value
        text = text[end:]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the examples of the README need curl")
def test_examples_of_the_api_run_as_they_are_written(tmp_path, models_folder):
    home = tmp_path / "home"
    home.mkdir()
    (home / "models").symlink_to(models_folder)
    [examples] = re.findall(r"^```sh$(.*?)^```$", section("Routes"), re.M | re.S)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XUNYI_")}
    with Served(home) as served:
        script = examples.replace("127.0.0.1:8080", f"127.0.0.1:{served.port}")
        assert ":8080" not in script
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", ALOUD + script],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        stored, first, empty, third, *found, task, tasks, health = answers(done.stdout)
        served.task_ended(task["id"])
        assert served.get("/v1/collections/library")["documents"] == 5
    assert (stored["outcome"], first["status"], third["status"]) == ("created", 201, 201)
    assert (empty["status"], empty["code"]) == (422, "no_text")
    by_body, by_address, encoded, similar = [[hit["key"] for hit in result["hits"]] for result in found]
    assert (by_body, sorted(by_address), similar) == (["tea/oolong"], ["a", "c", "tea/oolong"], ["c"])
    assert encoded[0] in ("a", "tea/oolong") and len(encoded) == 3
    assert tasks["tasks"][0]["id"] == task["id"] and health["status"] == "ok"
