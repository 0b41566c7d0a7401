"""What bad input gets through the shell: a sentence with a code, exit status 2, and nothing else is lost."""

import ctypes
import io
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from functools import partial

import pytest

import indexer.ingest
from indexer.cli import run
from tests.bad_files import BAD_FILES, WORDS, lines, pdf, record

PR_CAPBSET_DROP = 24
CAPABILITIES_TO_READ_ALL = (1, 2)
MEBIBYTE = 2**20

pytestmark = pytest.mark.usefixtures("models_opened_once")


@pytest.fixture(scope="module")
def template(tmp_path_factory, models_folder):
    """A home of a few documents with metadata."""
    folder = tmp_path_factory.mktemp("template")
    home = folder / "home"
    home.mkdir()
    (home / "models").symlink_to(models_folder)
    texts = ("The otter floats on its back.", "水獭仰面漂在水上。", "A heron stands still in the reeds.")
    records = [
        {"key": f"k{number}", "text": text, "year": 1990 + number, "wet": True, "tags": ["a"]}
        for number, text in enumerate(texts)
    ]
    source = folder / "records.jsonl"
    source.write_text(lines(*records), "utf-8")
    assert run(["ingest", "--home", str(home), str(source)]) == 0
    return home


@pytest.fixture
def home(template, tmp_path):
    return shutil.copytree(template, tmp_path / "home", symlinks=True)


@pytest.fixture
def shell(capsys):
    """Return a function that runs a command here and returns exit status, output and what was told."""

    def command(*arguments):
        capsys.readouterr()
        status = run([str(argument) for argument in arguments])
        shown = capsys.readouterr()
        return status, shown.out, " ".join(shown.err.split())

    return command


@pytest.fixture
def ingest(shell, home):
    """Return a function that ingests and returns exit status and summary."""

    def command(*arguments):
        status, out, _ = shell("ingest", "--json", "--home", home, *arguments)
        return status, json.loads(out)

    return command


def keys(home):
    with closing(sqlite3.connect(home / "xunyi.db")) as connection:
        return {key for (key,) in connection.execute("SELECT key FROM documents")}


def program(home, *arguments, **options):
    """Run the program as a process of its own."""
    command = [sys.executable, "-m", "indexer.cli", *map(str, arguments), "--home", str(home)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False, **options)


def refusals(summary):
    return {problem["where"]: (problem["code"], problem["detail"]) for problem in summary["problems"]}


# A folder of everything that can be wrong with a file


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Bad files and two good ones."""
    folder = tmp_path_factory.mktemp("everything") / "bad"
    folder.mkdir()
    for file in BAD_FILES:
        (folder / file.name).write_bytes(file.content())
    (folder / "good.txt").write_text("A dipper walks under water against the stream.", "utf-8")
    (folder / "zzz").mkdir()
    (folder / "zzz" / "last.pdf").write_bytes(pdf("A lapwing calls over the wet meadow at dusk."))
    (folder / "circle").symlink_to(folder, target_is_directory=True)
    (folder / "itself").symlink_to(folder / "itself")
    (folder / "nothing").symlink_to(folder / "is not there")
    (folder / "memory").symlink_to("/proc/self/mem")
    os.mkfifo(folder / "pipe")
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text(WORDS, "utf-8")
    return folder


@pytest.fixture(scope="module")
def ingested(template, folder, tmp_path_factory):
    """The home, the exit status and the summary of an ingest of that folder."""
    home = shutil.copytree(template, tmp_path_factory.mktemp("ingested") / "home", symlinks=True)
    done = program(home, "ingest", "--json", folder)
    return home, done.returncode, json.loads(done.stdout)


def test_what_is_refused_is_all_that_is_refused(ingested, folder):
    home, status, summary = ingested
    assert status == 2
    expected = {f"bad/{file.name}{place}" for file in BAD_FILES for place, _, _ in file.refusals}
    expected |= {f"bad/{name}" for name in ("circle", "itself", "nothing", "memory", "pipe", r"caf\xe9.txt")}
    assert set(refusals(summary)) == expected
    assert summary["refused"] == len(summary["problems"]) == len(expected)
    good = {key for file in BAD_FILES for key in file.stored} | {"bad/good.txt", "bad/zzz/last.pdf"}
    nameless = {key for key in keys(home) if key.startswith("bad/odd.jsonl#")}
    assert len(nameless) == 1 and keys(home) == good | nameless | {"k0", "k1", "k2"}
    assert summary["created"] == len(good) + 1
    assert str(folder.parent) not in json.dumps(summary)


@pytest.mark.parametrize("file", BAD_FILES, ids=lambda file: file.name)
def test_a_bad_file_is_refused_with_code_and_sentence(ingested, file):
    found = refusals(ingested[2])
    for place, code, words in file.refusals:
        given, sentence = found[f"bad/{file.name}{place}"]
        assert given == code
        assert [word for word in words if word not in sentence] == []
        assert "\n" not in sentence and len(sentence.split()) >= 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("circle", "a link that leads in a circle"),
        ("itself", "a link that leads in a circle"),
        ("nothing", "a link to nothing"),
        ("memory", "cannot be read: Input/output error"),
        ("pipe", "neither a file nor a folder"),
        (r"caf\xe9.txt", "has a name that is not UTF-8; rename it"),
    ],
)
def test_a_path_that_cannot_be_read_is_refused(ingested, name, words):
    code, sentence = refusals(ingested[2])[f"bad/{name}"]
    assert code == "unreadable_path" and words in sentence


def test_the_good_neighbours_are_found(ingested, shell):
    home = ingested[0]
    for question, key in (("dipper under water", "bad/good.txt"), ("lapwing meadow", "bad/zzz/last.pdf")):
        status, out, _ = shell("search", "--json", "--home", home, question)
        assert status == 0 and key in [hit["key"] for hit in json.loads(out)["hits"]]


def test_without_json_refusals_are_told_line_by_line(home, folder, shell):
    status, out, told = shell("ingest", "--home", home, folder / "seven.jsonl", folder / "empty.txt")
    assert status == 2
    assert "refused: seven.jsonl, line 7: it is no JSON:" in told and "(invalid_record)" in told
    assert "refused: empty.txt is empty (empty_input)" in told
    assert "default: 7 created, 2 refused" in out


def test_what_may_not_be_read_is_refused(tmp_path, home):
    """Root may read everything, so here it is a root that has given that right away."""
    folder = tmp_path / "notes"
    (folder / "closed").mkdir(parents=True)
    (folder / "closed" / "inside.txt").write_text(WORDS, "utf-8")
    (folder / "open.txt").write_text(WORDS, "utf-8")
    (folder / "secret.txt").write_text(WORDS, "utf-8")
    (folder / "secret.txt").chmod(0)
    (folder / "closed").chmod(0)
    done = program(home, "ingest", "--json", folder, preexec_fn=give_up_rights)
    (folder / "closed").chmod(0o700)
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["created"]) == (2, 1)
    for name in ("notes/closed", "notes/secret.txt"):
        code, sentence = refusals(summary)[name]
        assert (code, sentence) == ("unreadable_path", f"{name} cannot be read: Permission denied")
    assert "notes/open.txt" in keys(home)


def give_up_rights():
    for capability in CAPABILITIES_TO_READ_ALL:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability)


def test_a_path_that_may_not_be_read_costs_itself(tmp_path, home):
    (tmp_path / "closed").mkdir()
    (tmp_path / "open.txt").write_text(WORDS, "utf-8")
    (tmp_path / "secret.txt").write_text(WORDS, "utf-8")
    for name in ("closed", "secret.txt"):
        (tmp_path / name).chmod(0)
    paths = (tmp_path / name for name in ("closed", "secret.txt", "open.txt"))
    done = program(home, "ingest", "--json", *paths, preexec_fn=give_up_rights)
    summary = json.loads(done.stdout)
    assert (done.returncode, summary["created"]) == (2, 1)
    assert refusals(summary) == {
        str(path): ("unreadable_path", f"{path} cannot be read: Permission denied")
        for path in (tmp_path / "closed", tmp_path / "secret.txt")
    }


def test_a_line_of_fifty_megabytes_is_refused_and_takes_no_memory(tmp_path, home):
    def peak_bytes(path):
        command = [sys.executable, "-m", "indexer.cli", "ingest", "--json", "--home", home, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            summary = json.loads(process.stdout.read())
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, summary, usage.ru_maxrss * 1024

    small, large = tmp_path / "small.jsonl", tmp_path / "large.jsonl"
    small.write_text(lines(record("small-1"), record("small-2")), "utf-8")
    with large.open("wb") as file:
        file.write(lines(record("before")).encode() + b'\n{"key": "huge", "text": "')
        for _ in range(50):
            file.write(b"a long line " * (MEBIBYTE // 12))
        file.write(b'"}\n' + lines(record("after")).encode())
    status, _, usual = peak_bytes(small)
    assert status == 0
    status, summary, peak = peak_bytes(large)
    assert (status, summary["created"]) == (2, 2)
    code, sentence = refusals(summary)["large.jsonl, line 2"]
    assert code == "too_large" and "longer than 16 MiB" in sentence
    assert {"before", "after"} <= keys(home)
    assert peak - usual < 40 * MEBIBYTE


def test_the_same_file_name_from_two_folders_is_a_duplicate(tmp_path, ingest, home):
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "same.txt").write_text(f"{WORDS} {place}", "utf-8")
    status, summary = ingest(tmp_path / "one" / "same.txt", tmp_path / "two" / "same.txt")
    assert (status, summary["created"]) == (2, 1)
    code, sentence = refusals(summary)["same.txt"]
    assert code == "duplicate_key" and "'same.txt' came earlier in this run" in sentence


def test_a_path_that_is_not_there_costs_itself(tmp_path, ingest):
    (tmp_path / "there.txt").write_text(WORDS, "utf-8")
    status, summary = ingest(tmp_path / "not-there", tmp_path / "there.txt")
    assert (status, summary["created"]) == (2, 1)
    assert refusals(summary) == {
        str(tmp_path / "not-there"): ("unreadable_path", f"{tmp_path / 'not-there'} does not exist")
    }


def test_a_folder_below_one_whose_name_is_no_text_is_read(tmp_path, ingest, home):
    folder = tmp_path / os.fsdecode(b"caf\xe9") / "notes"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text(WORDS, "utf-8")
    (folder / "b.txt").write_text(WORDS, "utf-8")
    assert ingest(folder)[1]["created"] == 2
    (folder / "b.txt").unlink()
    status, summary = ingest("--sync", "--yes", folder)
    assert (status, summary["deleted"]) == (0, 1) and "notes/a.txt" in keys(home)


# Questions

RIGHT_FILTER = """give an object of fields and conditions, such as '{"year": {"$gte": 1990}}'"""


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([""], "invalid_input", "the query is empty"),
        ([" \t\n "], "invalid_input", "the query is empty"),
        (["\u3000"], "invalid_input", "the query is empty"),
        (["x" * 20_000], "invalid_input", "20000 characters; at most 10000"),
        (["字" * 20_000], "invalid_input", "20000 characters; at most 10000"),
        ([os.fsdecode(b"caf\xe9")], "invalid_input", r"caf\xe9 is not valid UTF-8"),
        (["otter", "-n", "0"], "invalid_input", "limit is 0; give a number from 1 to 1000"),
        (["otter", "-n", "-1"], "invalid_input", "limit is -1; give a number from 1 to 1000"),
        (["otter", "-n", "1000000000"], "invalid_input", "limit is 1000000000"),
        (["otter", "-n", "ten"], "invalid_input", "'ten' is not a valid integer"),
        (
            ["otter", "--mode", "attentive"],
            "invalid_input",
            "'attentive'; choose one of: lexical, dense, hybrid, attention",
        ),
        (["otter", "-c", "nowhere"], "unknown_collection", "no collection called 'nowhere'"),
        (["otter", "-c", os.fsdecode(b"\xff")], "invalid_input", r"\xff is not valid UTF-8"),
        (["otter", "--filter", "{"], "invalid_filter", "--filter cannot be read: it is no JSON: "),
        (["otter", "--filter", "year=2019"], "invalid_filter", f"column 1); {RIGHT_FILTER}"),
        (["otter", "--filter", "[]"], "invalid_filter", f"--filter is a list; {RIGHT_FILTER}"),
        (["otter", "--filter", "null"], "invalid_filter", f"--filter is null; {RIGHT_FILTER}"),
        (["otter", "--filter", "2019"], "invalid_filter", f"--filter is a number; {RIGHT_FILTER}"),
        (["otter", "--filter", '"year"'], "invalid_filter", f"--filter is text; {RIGHT_FILTER}"),
        (["otter", "--filter", '{"year": NaN}'], "invalid_filter", "NaN is no JSON number"),
        (["otter", "--filter", r'{"year": "\ud800"}'], "invalid_filter", "half a surrogate pair"),
        (["otter", "--filter", '{"year": {"$near": 3}}'], "invalid_filter", "$near"),
        (["otter", "--filter", '{"$nor": []}'], "invalid_filter", "$nor"),
        (["otter", "--filter", '{"year": "old"}'], "invalid_filter", "'year' holds numbers"),
        (["otter", "--filter", '{"wet": 1}'], "invalid_filter", "'wet' holds booleans"),
        (["otter", "--filter", '{"tags": {"$gte": [1]}}'], "invalid_filter", "'tags'"),
        (["otter", "--filter", '{"year": {"$in": 1990}}'], "invalid_filter", "$in"),
        (["otter", "--filter", '{"year": null}'], "invalid_filter", 'meet {"year": {"$exists": false}}'),
        (["otter", "--filter", '{"$not": []}'], "invalid_filter", 'such as {"year": {"$gte": 1990}}, not []'),
        ([], "invalid_input", "Missing argument 'QUERY'"),
        (["otter", "--xyz"], "invalid_input", "'--xyz'; what begins with - and is no option goes after --"),
        (["otter", "--mod", "dense"], "invalid_input", "Did you mean '--mode'? (invalid_input)"),
        (["it", "is", "-5", "-n"], "invalid_input", "Option '-n' requires an argument"),
        (["it", "is", "-5", "-n", "-1"], "invalid_input", "limit is -1"),
    ],
)
def test_a_bad_question_gets_one_sentence(home, shell, arguments, code, words):
    status, out, told = shell("search", "--home", home, *arguments)
    assert (status, out) == (2, "")
    assert told.startswith("xunyi: ") and told.endswith(f"({code})") and words in told


@pytest.mark.parametrize(
    "question", ["🦦", "🦦" * 2000, "\x00\x01", "-", "'; DROP TABLE documents; --", "x" * 9999]
)
def test_an_odd_question_is_a_question(home, shell, question):
    status, out, _ = shell("search", "--json", "--home", home, "--", question)
    assert status == 0 and len(json.loads(out)["hits"]) == 3


@pytest.mark.parametrize("given", ["what is -5 degrees", "-.5 to -40c is cold", "-1"])
def test_a_number_below_zero_is_a_word_of_the_question(home, shell, given):
    def scores(*arguments):
        status, out, told = shell("search", "--json", "--home", home, "--mode", "dense", *arguments)
        assert (status, told) == (0, "")
        return [(hit["key"], hit["score"]) for hit in json.loads(out)["hits"]]

    expected = scores("-n", "2", "--", given)
    assert len(expected) == 2 and expected != scores("-n", "2", "--", *reversed(given.split()), "degrees")
    assert scores(*given.split(), "-n", "2") == scores("-n2", *given.split()) == expected


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["similar", "nothing"], "unknown_document", "'nothing'; a file's key is the name of the folder"),
        (["similar", "K1"], "unknown_document", "the key 'K1'; the nearest there is: 'k1'"),
        (["similar", "0"], "unknown_document", "the key '0'; the nearest there is: 'k0'"),
        (["similar", "%"], "unknown_document", "the key '%'; a file's key is"),
        (["similar", "k0", "-n", "0"], "invalid_input", "limit is 0"),
        (["similar", "k0", "--unlike", "nothing"], "unknown_document", "'nothing'"),
        (["similar", "k0", "-c", "nowhere"], "unknown_collection", "'nowhere'"),
        (["delete", "k0", "-c", "nowhere"], "unknown_collection", "'nowhere'"),
        (["delete"], "invalid_input", "Missing argument 'KEY...'"),
        (["delete", os.fsdecode(b"\xff")], "invalid_input", "not valid UTF-8"),
        (["collections", "--create", "default"], "collection_exists", "'default' is there already"),
        (["collections", "--create", "a/b"], "invalid_input", "letters, digits"),
        (["collections", "--create", ""], "invalid_input", "letters, digits"),
        (["collections", "--create", "new", "--encoder", "telepathy"], "unknown_name", "'telepathy'"),
        (["collections", "--encoder", "minilm-en"], "invalid_input", "--encoder goes with --create"),
        (["collections", "--delete", "nowhere", "--yes"], "unknown_collection", "(`xunyi collections`,"),
        (["collections", "--create", "new", "--delete", "default"], "invalid_input", "one after the other"),
        (["collections", "--create", "new", "--yes"], "invalid_input", "--yes goes with --delete"),
        (["ingest", "/dev/null", "--encoder", "minilm-en"], "encoder_mismatch", "multilingual-e5-small"),
        (["ingest", "/dev/null", "-c", "not a name"], "invalid_input", "letters, digits"),
        (["ingest"], "invalid_input", "Missing argument 'PATH...'"),
        (["ingest", "-"], "invalid_input", "needs --key"),
        (["ingest", "-", "/dev/null", "--key", "k"], "invalid_input", "stands alone"),
        (["ingest", "-", "--key", os.fsdecode(b"\xff")], "invalid_input", "not valid UTF-8"),
        (["ingest", "-", "--text-field", os.fsdecode(b"\xff")], "invalid_input", "not valid UTF-8"),
        (["ingest", "-", "--key", "k", "--sync"], "invalid_input", "takes no --sync"),
        (["ingest", "/dev/null", "--key", "k"], "invalid_input", "a file's key is its path"),
        (["evaluate", "/nowhere"], "invalid_input", "'/nowhere' does not exist"),
        (["serve", "--host", "0.0.0.0"], "invalid_input", "set XUNYI_API_KEY"),
        (["serve", "--host", "::"], "invalid_input", "set XUNYI_API_KEY"),
        (["serve", "--host", "a..b"], "invalid_input", "set XUNYI_API_KEY"),
        (["collections", "--home", "~nobody-of-this-name/x"], "invalid_input", "a user unknown here"),
        (["serve", "--port", "0"], "invalid_input", "'--port': give a whole number from 1 to 65535, not '0'"),
        (["serve", "--port", "abc"], "invalid_input", "give a whole number from 1 to 65535, not 'abc'"),
        (["serve", "--port", "99999"], "invalid_input", "give a whole number from 1 to 65535, not '99999'"),
        (["serve", "--workers", "0"], "invalid_input", "give a whole number from 1 to 64, not '0'"),
        (["demo", "--port", "abc"], "invalid_input", "give a whole number from 1 to 65535, not 'abc'"),
        (["dance"], "invalid_input", "there is no command 'dance'; `xunyi --help` lists them"),
        (["serch", "otter"], "invalid_input", "there is no command 'serch'; did you mean 'search'?"),
        (["--loud", "search"], "invalid_input", "No such option '--loud'"),
        (["delete", "k0", "-c", "defualt"], "unknown_collection", "'defualt'; did you mean 'default'?"),
        (
            ["collections", "--create", "new", "--encoder", "minilm"],
            "unknown_name",
            "did you mean 'minilm-en'?",
        ),
    ],
)
def test_wrong_use_gets_one_sentence(home, shell, monkeypatch, arguments, code, words):
    monkeypatch.setenv("XUNYI_HOME", str(home))
    monkeypatch.delenv("XUNYI_API_KEY", raising=False)
    status, out, told = shell(*arguments)
    assert (status, out) == (2, "")
    assert told.startswith("xunyi: ") and told.endswith(f"({code})") and words in told
    assert keys(home) == {"k0", "k1", "k2"}
    with closing(sqlite3.connect(home / "xunyi.db")) as connection:
        assert connection.execute("SELECT name FROM collections").fetchall() == [("default",)]


@pytest.mark.parametrize(
    ("given", "notes"),
    [
        ('{"yaer": 1991}', ["'yaer'; the nearest there is: year"]),
        (
            '{"Tag": "a", "title": "x"}',
            ["'Tag'; the nearest there is: tags", "'title'; the nearest there is: document.title"],
        ),
        (
            '{"$or": [{"colour": 1}, {"$not": {"year": {"$gt": 1}}}]}',
            ["'colour'; there are: tags, wet, year"],
        ),
        ('{"year": 1991, "document.language": "en", "wet": true}', []),
    ],
)
@pytest.mark.parametrize("ask", [["search", "otter"], ["similar", "k0"], ["search", "otter", "--json"]])
def test_a_field_that_no_document_has_is_noted_beside_the_answer(home, shell, ask, given, notes):
    status, out, told = shell(*ask, "--home", home, "--filter", given)
    assert status in (0, 1) and out
    assert told == " ".join(f"note: no document of 'default' has the field {note}" for note in notes)


def test_a_collection_whose_documents_have_no_fields_says_so(tmp_path, home, shell):
    (tmp_path / "plain.txt").write_text(WORDS)
    assert shell("ingest", tmp_path / "plain.txt", "-c", "plain", "--home", home)[0] == 0
    status, _, told = shell("search", "otter", "-c", "plain", "--home", home, "--filter", '{"year": 1}')
    assert status == 1
    assert told.endswith("'year'; none of them has any but those that begin with document.")


def test_lines_that_mean_something_are_shown_as_lines(tmp_path, home, shell):
    prose = "Compost feeds the soil of a garden, and worms carry it\ninto the ground every autumn."
    (tmp_path / "soil.md").write_text(f"# Soil\n\n{prose}\n\n- turn it weekly\n- keep it damp\n", "utf-8")
    assert shell("ingest", tmp_path / "soil.md", "--home", home)[0] == 0
    status, out, _ = shell("search", "--home", home, "-n", "1", "compost")
    assert status == 0
    shown = [line.strip() for line in out.splitlines()]
    start = shown.index(prose.replace("\n", " "))
    assert shown[start : start + 3] == [prose.replace("\n", " "), "- turn it weekly", "- keep it damp"]


# Exit status


def test_nothing_found_is_status_one(home, shell):
    assert shell("search", "--home", home, "--mode", "lexical", "zebra")[0] == 1
    assert shell("search", "--home", home, "otter", "--filter", '{"year": 1}')[0] == 1
    status, out, told = shell("delete", "--home", home, "nothing")
    assert (status, out, told) == (1, "0 deleted\n", "nothing is stored under 'nothing'")
    status, out, told = shell("delete", "--home", home, "nothing", "k0")
    assert (status, out, told) == (1, "1 deleted\n", "nothing is stored under 'nothing'")
    assert shell("delete", "--home", home, "k1")[0] == 0
    assert keys(home) == {"k2"}


def test_a_no_deletes_nothing_and_is_no_interruption(home):
    command = [sys.executable, "-m", "indexer.cli", "collections", "--delete", "default", "--home", str(home)]
    ended = subprocess.run(command, input="n\n", capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "") and "nothing was deleted" in ended.stderr
    assert len(keys(home)) == 3


def test_ctrl_c_during_an_ingest_loses_nothing(tmp_path, home, ingest):
    source = tmp_path / "many.jsonl"
    source.write_text(lines(*(record(f"many-{number}") for number in range(120))))
    command = [sys.executable, "-m", "indexer.cli", "ingest", "--home", str(home), str(source)]
    # What a shell without job control starts in the background inherits that Ctrl-C is ignored.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heeding
    ) as process:
        while len(keys(home)) == 3 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.splitlines()[-1]) == (130, "", "xunyi: stopped")
    stored = keys(home)
    assert 32 <= len(stored) - 3 < 120
    status, summary = ingest(source)
    assert (status, summary["created"], summary["unchanged"]) == (0, 123 - len(stored), len(stored) - 3)


@pytest.mark.parametrize("how", [[], ["--json"]])
def test_a_reader_that_goes_away_is_no_failure(home, how):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "indexer.cli", "search", "otter", *how, "--home", str(home)]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=60, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_told(home, unbuffered):
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-m", "indexer.cli", "search", "otter", "--json", "--home", str(home)]
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False, env=environment
        )
    assert done.returncode == 2 and done.stderr.startswith(b"xunyi: the disk is full")


def test_a_terminal_that_knows_no_chinese_gets_escapes(home):
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    done = program(home, "search", "水獭", env=environment)
    assert done.returncode == 0 and rb"\u6c34\u736d" in done.stdout


# Homes that cannot be used


def newer(home):
    with closing(sqlite3.connect(home / "xunyi.db")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")


@pytest.mark.parametrize(
    "command",
    [["ingest", "/dev/null"], ["search", "otter"], ["verify"], ["serve"], ["worker"], ["collections"]],
)
def test_a_home_of_a_newer_version_is_left_alone(home, shell, command):
    newer(home)
    before = (home / "xunyi.db").read_bytes()
    status, out, told = shell(*command, "--home", home)
    assert (status, out) == (2, "")
    assert "a newer version of xunyi (its schema is 9999" in told and told.endswith("(home_too_new)")
    assert (home / "xunyi.db").read_bytes() == before


@pytest.mark.parametrize(
    "command",
    [
        ["search", "otter"],
        ["similar", "k0"],
        ["verify"],
        ["delete", "k0"],
        ["collections"],
        ["collections", "--delete", "default", "--yes"],
        ["worker", "--once"],
    ],
    ids=" ".join,
)
def test_a_command_that_stores_nothing_makes_no_home(tmp_path, shell, command):
    place = tmp_path / "mistyped"
    status, out, told = shell(*command, "--home", place)
    assert (status, out) == (2, "") and not place.exists()
    assert told == (
        f"xunyi: the data folder {place} does not exist; name another with --home or XUNYI_HOME, "
        "or make it with `xunyi ingest PATH` (unknown_home)"
    )
    (tmp_path / "notes.txt").write_text(WORDS)
    status, out, told = shell(*command, "--home", tmp_path)
    assert (status, out) == (2, "") and [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    assert f"{tmp_path} is no data folder: there is no xunyi.db in it; " in told


def test_a_home_that_is_a_file(tmp_path, shell):
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nowhere"):
        status, _, told = shell("collections", "--create", "new", "--home", place)
        assert status == 2 and "cannot be made or written" in told and told.endswith("(store_unavailable)")
        assert str(tmp_path) not in told


@pytest.mark.parametrize("content", [b"no database at all" * 2000, b"SQLite format 3\x00" + bytes(5000)])
def test_a_database_that_is_none(tmp_path, shell, content):
    (tmp_path / "xunyi.db").write_bytes(content)
    status, _, told = shell("search", "otter", "--home", tmp_path)
    assert status == 2 and "damaged, or no database" in told and told.endswith("(store_unavailable)")


def test_a_database_that_cannot_be_opened(tmp_path, shell):
    (tmp_path / "xunyi.db").mkdir()
    status, _, told = shell("search", "otter", "--home", tmp_path)
    assert status == 2 and "cannot be opened or written" in told and told.endswith("(store_unavailable)")


@pytest.mark.parametrize(
    ("name", "value", "code", "words"),
    [
        ("XUNYI_DATABASE_URL", "nonsense", "invalid_input", "no PostgreSQL URL"),
        ("XUNYI_DATABASE_URL", "mysql://me:secret@host/name", "invalid_input", "no PostgreSQL URL"),
        ("XUNYI_DATABASE_URL", "postgresql://127.0.0.1:1/x", "store_unavailable", "cannot be reached"),
        ("XUNYI_FOLDING_THRESHOLD", "many", "invalid_input", "XUNYI_FOLDING_THRESHOLD is 'many'"),
        ("XUNYI_DATABASE_URL", "postgresql://me:secret@host:port/x", "invalid_input", "no PostgreSQL URL"),
        ("XUNYI_UPLOAD_BYTES_MAX", "0", "invalid_input", "a whole number above 0"),
        ("XUNYI_UPLOAD_BYTES_MAX", "9" * 5000, "invalid_input", "of at most 15 digits"),
        ("XUNYI_API_KEY", "\udcff", "invalid_input", "is not UTF-8"),
    ],
)
def test_a_setting_that_cannot_serve(home, shell, monkeypatch, name, value, code, words):
    monkeypatch.setenv(name, value)
    status, _, told = shell("collections", "--home", home)
    assert status == 2 and words in told and told.endswith(f"({code})") and "secret" not in told


def test_serve_tells_in_one_sentence_why_it_cannot(home, monkeypatch):
    monkeypatch.delenv("XUNYI_API_KEY", raising=False)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = program(home, "serve", "--port", port)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == (
        f"xunyi: nothing can listen on 127.0.0.1, port {port}: Address already in use; "
        "choose another --host or --port (invalid_input)\n"
    )
    done = program(home, "serve", "--host", "0.0.0.0", env=os.environ | {"XUNYI_API_KEY": ""})
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1
    newer(home)
    done = program(home, "serve", "--port", port)
    assert done.returncode == 2 and done.stderr.count(b"\n") == 1 and b"home_too_new" in done.stderr


def test_the_name_of_a_home_means_nothing_but_a_folder(tmp_path, shell, models_folder):
    home = tmp_path / "what?mode=ro"
    home.mkdir()
    (home / "models").symlink_to(models_folder)
    assert shell("collections", "--create", "new", "--home", home)[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == [home.name] and (home / "xunyi.db").is_file()


def test_the_largest_limit_takes_no_memory(tmp_path, home, shell, monkeypatch):
    monkeypatch.setenv("XUNYI_UPLOAD_BYTES_MAX", "9" * 15)
    (tmp_path / "small.txt").write_text(WORDS)
    assert shell("ingest", tmp_path / "small.txt", "-c", "largest", "--home", home)[0] == 0


def test_a_reader_that_fails_in_an_unforeseen_way_costs_its_file_alone(tmp_path, ingest, monkeypatch):
    notes = tmp_path / "notes"
    notes.mkdir()
    for name in ("a", "broken", "z"):
        (notes / f"{name}.txt").write_text(f"{WORDS} {name}")
    read = indexer.ingest.read_source

    def failing(stream, name, *rest):
        if "broken" in name:
            raise RecursionError("nobody thought of this")
        yield from read(stream, name, *rest)

    monkeypatch.setattr(indexer.ingest, "read_source", failing)
    status, summary = ingest(notes, "-c", "unforeseen")
    assert (status, summary["created"]) == (2, 2)
    ((code, sentence),) = refusals(summary).values()
    assert code == "reader_failed"
    assert "a bug of xunyi" in sentence and "nobody thought" not in sentence


# Standard input


def test_standard_input_is_stored_under_its_key(home, shell, monkeypatch):
    def given(content, *arguments):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return shell("ingest", "-", "--home", home, *arguments)

    status, _, _ = given(WORDS.encode(), "--key", "from a pipe")
    assert status == 0 and "from a pipe" in keys(home)
    status, _, told = given(b'{"text": "a"}\n{', "--key", "records", "--name", "x.jsonl")
    assert status == 2 and "refused: x.jsonl, line 2: " in told
    status, _, told = given(b"", "--key", "empty")
    assert status == 2 and "empty" not in keys(home)
    assert told == "refused: standard input is empty (empty_input)"
    status, _, told = given(b"\x89PNG\r\n\x1a\n\0", "--key", "picture")
    assert status == 2 and "standard input: its content looks like a PNG picture" in told
    assert given(pdf("A lapwing calls."), "--key", "paper")[0] == 0 and "paper" in keys(home)


def test_standard_input_that_is_closed_is_told(home):
    command = f"{sys.executable} -m indexer.cli ingest - --key closed --home {home} <&-"
    done = subprocess.run(command, shell=True, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr == b"xunyi: standard input is closed; there is nothing to read (unreadable_path)\n"


# --sync


@pytest.fixture
def notes(tmp_path):
    """A folder of eight notes, two of them in a sub-folder, and a JSONL of two records."""
    folder = tmp_path / "notes"
    (folder / "deep").mkdir(parents=True)
    for number in range(6):
        (folder / f"{number}.txt").write_text(f"{WORDS} {number}", "utf-8")
    for number in (6, 7):
        (folder / "deep" / f"{number}.txt").write_text(f"{WORDS} {number}", "utf-8")
    (folder / "two.jsonl").write_text(lines(record("r1"), record("r2")), "utf-8")
    return folder


NOTES = {*(f"notes/{number}.txt" for number in range(6)), "notes/deep/6.txt", "notes/deep/7.txt", "r1", "r2"}
OTHERS = {"k0", "k1", "k2"}


def test_sync_deletes_what_is_gone_from_under_its_paths_and_nothing_else(notes, ingest, home, shell):
    assert ingest("--sync", notes)[1]["created"] == 10
    (notes / "0.txt").unlink()
    (notes / "deep" / "6.txt").unlink()
    (notes / "two.jsonl").write_text(lines(record("r2")), "utf-8")
    assert ingest(notes)[1]["deleted"] == 0
    status, summary = ingest("--sync", notes)
    assert (status, summary["deleted"]) == (0, 3)
    assert keys(home) == OTHERS | NOTES - {"notes/0.txt", "notes/deep/6.txt", "r1"}
    _, out, _ = shell("search", "--json", "--home", home, "--mode", "lexical", "r1")
    assert out == "" or "r1" not in {hit["key"] for hit in json.loads(out)["hits"]}


def test_sync_deletes_nothing_where_the_walk_met_an_error(notes, ingest, home):
    ingest(notes)
    (notes / "0.txt").unlink()
    (notes / "broken").symlink_to("nowhere")
    status, summary = ingest("--sync", "--yes", notes)
    assert (status, summary["deleted"], set(refusals(summary))) == (2, 0, {"notes/broken"})
    status, summary = ingest("--sync", "--yes", notes.with_name("is not there"))
    assert (status, summary["deleted"]) == (2, 0)
    assert keys(home) == OTHERS | NOTES


def test_a_refused_file_keeps_its_old_document(notes, ingest, home):
    ingest(notes)
    (notes / "0.txt").write_bytes(b"")
    (notes / "1.txt").unlink()
    (notes / "two.jsonl").write_text(lines("{broken", record("r2")), "utf-8")
    status, summary = ingest("--sync", notes)
    assert (status, summary["deleted"]) == (2, 1)
    assert set(refusals(summary)) == {"notes/0.txt", "notes/two.jsonl, line 1"}
    assert keys(home) == OTHERS | NOTES - {"notes/1.txt"}


def test_sync_deletes_more_than_half_only_when_told_so(notes, ingest, home):
    ingest(notes)
    for number in range(6):
        (notes / f"{number}.txt").unlink()
    (notes / "new.txt").write_text(WORDS, "utf-8")
    status, summary = ingest("--sync", notes)
    assert (status, summary["deleted"], summary["created"]) == (2, 0, 1)
    code, sentence = refusals(summary)["--sync of default"]
    assert code == "too_many_deletions" and sentence.startswith("6 of 11 documents") and "--yes" in sentence
    assert keys(home) == OTHERS | NOTES | {"notes/new.txt"}
    status, summary = ingest("--sync", "--yes", notes)
    assert (status, summary["deleted"], summary["refused"]) == (0, 6, 0)
    assert keys(home) == OTHERS | {"notes/new.txt", "notes/deep/6.txt", "notes/deep/7.txt", "r1", "r2"}


def test_sync_without_sub_folders_leaves_what_lies_in_them(notes, ingest, home):
    ingest(notes)
    (notes / "0.txt").unlink()
    shutil.rmtree(notes / "deep")
    status, summary = ingest("--sync", "--no-recursive", notes)
    assert (status, summary["deleted"]) == (0, 1)
    assert keys(home) == OTHERS | NOTES - {"notes/0.txt"}


def test_a_file_that_is_read_under_another_key_now_is_there_once(notes, ingest, home):
    ingest(notes)
    (notes / "two.jsonl").write_text(lines(record("r1"), record("r3")), "utf-8")
    assert ingest("--sync", notes)[1]["notes"] == []  # a record that is gone is no file under another key
    status, summary = ingest("--sync", notes / "1.txt")
    assert (status, summary["created"], summary["deleted"]) == (0, 1, 1)
    assert keys(home) == OTHERS | NOTES - {"notes/1.txt", "r2"} | {"1.txt", "r3"}
    assert [
        note.startswith("note: 1 file was stored before under another key") for note in summary["notes"]
    ] == [True]
    notes.rename(notes.parent / "moved")
    (notes.parent / "notes").symlink_to(notes.parent / "moved")
    assert ingest("--sync", notes / "deep")[1]["notes"] == []  # it lies elsewhere, so it is another file


def test_paths_of_a_sync_may_lie_in_one_another(notes, ingest, home):
    ingest(notes, notes / "deep")
    shutil.rmtree(notes / "deep")
    (notes / "deep").mkdir()
    status, summary = ingest("--sync", notes, notes / "deep")
    assert (status, summary["deleted"]) == (0, 4)
    assert keys(home) == OTHERS | NOTES - {"notes/deep/6.txt", "notes/deep/7.txt"}
