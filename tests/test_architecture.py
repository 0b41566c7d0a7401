"""The rules of the house that no linter knows: who may import whom, and where the outside comes in.

``broken_rules`` judges one file from its path and source alone, so the tests below can show it
files which do not exist: a rule that cannot fail protects nothing.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

MAY_IMPORT = {
    "search": {"search"},
    "indexer": {"search", "indexer"},
    "web": {"search", "indexer", "web"},
    "migrations": {"search", "indexer", "migrations"},
}
# Migrations describe tables; everything else of the indexer is above them.
MIGRATIONS_MAY_IMPORT = ("search.errors", "indexer.settings", "indexer.store", "migrations")

ONLY_IN = {
    "flask": ("web/",),
    "flask_openapi3": ("web/",),
    "werkzeug": ("web/",),
    "jinja2": ("web/",),
    "gunicorn": ("indexer/",),
    "click": ("indexer/",),
    "rich": ("indexer/",),
    "sqlalchemy": ("indexer/", "migrations/"),
    "alembic": ("indexer/", "migrations/"),
    "psycopg": ("indexer/",),
    "sqlite3": ("indexer/",),
    "faiss": ("search/vectors/",),
    "scipy": (
        "search/arrays.py",
        "search/encoders/",
        "search/mix_fitting.py",
        "search/vectors/",
        "indexer/store/vector_bytes.py",
    ),
    "tantivy": ("search/lexical/",),
    "jieba": ("search/text/",),
    "opencc": ("search/text/",),
    "Stemmer": ("search/text/",),
    "ir_measures": ("search/evaluation/",),
    "torch": ("search/encoders/", "search/ranking/training.py"),
    "gensim": ("search/encoders/fitted/",),
    "sklearn": ("search/encoders/fitted/",),
    "umap": ("search/maps/umap_training.py",),
    "sentence_transformers": ("search/encoders/",),
    "transformers": ("search/encoders/",),
    "onnxruntime": ("search/encoders/",),
    "onnx": ("search/encoders/",),
    "sentencepiece": ("search/encoders/",),
    "tokenizers": ("search/encoders/",),
    "pypdf": ("indexer/readers/",),
    "docx": ("indexer/readers/",),
    "trafilatura": ("indexer/readers/",),
}

# From the bottom up. A unit imports units of lower layers and itself; only the ground layer's
# units may also import one another. A new unit has to be given its place here.
LAYERS = (
    {"errors", "arrays", "model", "registry", "artifacts", "child"},
    {"text"},
    {"encoders", "lexical", "vectors", "ranking"},
    {"centring", "views", "fusion", "relevance", "diversity", "mix_fitting", "expansion"},
    {"languages", "question", "maps"},
    {"parts"},
    {"attending"},
    {"explaining", "likeness"},
    {"engine"},
    {"evaluation"},
)
LAYER_OF = {unit: height for height, units in enumerate(LAYERS) for unit in units}

USES_ENVIRONMENT = {
    "indexer/settings.py": "the only reader of settings",
    "indexer/serving.py": "hands the environment on to the processes it starts",
}
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.getenvb", "os.putenv"}
WALL_CLOCK = re.compile(
    r"(time\.(time|time_ns|localtime|gmtime|ctime)|.*\bdatetime\.(now|utcnow|today)|.*\bdate\.today)"
)

TELLS_TIME = "indexer/clock.py"

# Files which import while running, and why each of them must.
IMPORTS_LATE = {
    "search/registry.py": "names become parts on first use, so that an unused part costs nothing",
    "search/encoders/prepare.py": "of the ways to get a model, only the one asked for is loaded",
    "indexer/cli.py": "a command pays for its own libraries only; serve's own process holds no models",
    "indexer/store/schema.py": "Alembic is needed only where the schema is not yet current",
}


def imports(tree: ast.AST) -> Iterator[str]:
    """Every absolute module name, with the imported names appended, that ``tree`` imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def dotted(node: ast.AST) -> str:
    """``a.b.c`` for an attribute chain, and the empty string for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""


def names_used(tree: ast.AST) -> set[str]:
    return {dotted(node) for node in ast.walk(tree)} | set(imports(tree))


def imports_late(tree: ast.AST) -> bool:
    """Whether a function body imports, by statement or by ``import_module``."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    statement = any(isinstance(node, ast.Import | ast.ImportFrom) for f in functions for node in ast.walk(f))
    return statement or bool({"importlib.import_module", "__import__"} & names_used(tree))


def wrong_directions(path: str, names: list[str]) -> Iterator[str]:
    folder = path.partition("/")[0]
    for name in names:
        top = name.partition(".")[0]
        if top in {*MAY_IMPORT, "tests"} and top not in MAY_IMPORT[folder]:
            yield f"{path} imports {name}: {folder} may not know {top}"
        elif folder == "migrations" and top in MAY_IMPORT and not name.startswith(MIGRATIONS_MAY_IMPORT):
            yield f"{path} imports {name}: migrations know settings and store alone"
        if not path.startswith(ONLY_IN.get(top, (folder,))):
            yield f"{path} imports {name}: {top} belongs in {' and '.join(ONLY_IN[top])}"


def unit_of(module_path: list[str]) -> str:
    return module_path[1].removesuffix(".py") if len(module_path) > 1 else ""


def wrong_order(path: str, names: list[str]) -> Iterator[str]:
    """Imports inside ``search`` that do not point down the layers."""
    if not path.startswith("search/") or path == "search/__init__.py":
        return
    unit = unit_of(path.split("/"))
    if unit not in LAYER_OF:
        yield f"{path}: {unit} has no place in the order of search"
        return
    for name in names:
        other = unit_of(name.split("."))
        if not name.startswith("search.") or other == unit:
            continue
        below = LAYER_OF.get(other, len(LAYERS)) < LAYER_OF[unit]
        if not below and not {unit, other} <= LAYERS[0]:
            yield f"{path} imports {name}: {unit} may not know {other}"


def broken_rules(path: str, source: str) -> list[str]:
    """What is wrong with the file ``path`` (relative, with slashes) if it holds ``source``."""
    tree = ast.parse(source)
    names, used = list(imports(tree)), names_used(tree)
    broken = [*wrong_directions(path, names), *wrong_order(path, names)]
    if any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree)):
        broken.append(f"{path} has a relative import")
    if path not in USES_ENVIRONMENT and (found := ENVIRONMENT & used):
        broken.append(f"{path} uses {', '.join(found)}: settings come from indexer/settings.py")
    if path != TELLS_TIME and (clocks := sorted(filter(WALL_CLOCK.fullmatch, used))):
        broken.append(f"{path} uses {', '.join(clocks)}: the time comes from {TELLS_TIME}")
    if path not in IMPORTS_LATE and imports_late(tree):
        broken.append(f"{path} imports inside a function")
    return broken


def sources() -> list[str]:
    return sorted(
        path.relative_to(ROOT).as_posix() for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py")
    )


@pytest.mark.parametrize("path", sources())
def test_file_keeps_the_rules(path):
    assert broken_rules(path, (ROOT / path).read_text("utf-8")) == []


@pytest.mark.parametrize("path", sorted(IMPORTS_LATE))
def test_every_late_import_is_needed(path):
    assert imports_late(ast.parse((ROOT / path).read_text("utf-8")))


@pytest.mark.parametrize("path", sorted(USES_ENVIRONMENT))
def test_every_use_of_the_environment_is_needed(path):
    assert ENVIRONMENT & names_used(ast.parse((ROOT / path).read_text("utf-8")))


@pytest.mark.parametrize(
    ("path", "line", "complaint"),
    [
        ("search/engine.py", "import flask", "flask belongs in web/"),
        ("indexer/service.py", "from flask import Flask", "flask belongs in web/"),
        ("indexer/pipeline.py", "import web.app", "indexer may not know web"),
        ("search/fusion.py", "from indexer.settings import Settings", "search may not know indexer"),
        ("search/fusion.py", "from tests.helpers import x", "search may not know tests"),
        ("web/api/search.py", "import sqlalchemy.orm", "sqlalchemy belongs in indexer/ and migrations/"),
        ("web/app.py", "from rich.table import Table", "rich belongs in indexer/"),
        (
            "search/ranking/attention.py",
            "import torch",
            "belongs in search/encoders/ and search/ranking/training.py",
        ),
        ("search/lexical/base.py", "import faiss", "faiss belongs in search/vectors/"),
        ("search/vectors/exact_index.py", "import tantivy", "tantivy belongs in search/lexical/"),
        ("indexer/chunking.py", "from transformers import AutoTokenizer", "belongs in search/encoders/"),
        ("migrations/env.py", "from indexer.service import Service", "settings and store alone"),
        ("search/text/analyzer.py", "from search.encoders.base import Encoder", "text may not know encoders"),
        ("search/encoders/base.py", "from search import lexical", "encoders may not know lexical"),
        ("search/fusion.py", "import search.engine", "fusion may not know engine"),
        ("search/engine.py", "from search.evaluation.measures import ndcg", "engine may not know evaluation"),
        ("search/errors.py", "from search.text import analyzer", "errors may not know text"),
        ("search/helpers.py", "import math", "helpers has no place in the order"),
        ("search/engine.py", "from . import fusion", "relative import"),
        ("search/engine.py", "import os\nhome = os.environ['HOME']", "os.environ"),
        ("indexer/cli.py", "from os import getenv", "os.getenv"),
        ("search/engine.py", "import time\nnow = time.time()", "time.time"),
        ("search/model.py", "import datetime as d\nnow = d.datetime.now()", "d.datetime.now"),
        ("search/model.py", "from time import time", "time.time"),
        ("indexer/service.py", "from datetime import datetime\nnow = datetime.now()", "datetime.now"),
        ("web/app.py", "def create():\n    import json", "inside a function"),
        ("web/app.py", "from importlib import import_module", "inside a function"),
    ],
)
def test_a_planted_offence_is_found(path, line, complaint):
    assert any(complaint in offence for offence in broken_rules(path, line))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("search/engine.py", "import time\nstart = time.perf_counter()"),
        ("search/model.py", "from search.errors import InvalidInput"),
        ("search/evaluation/experiment.py", "from search.engine import Engine"),
        ("indexer/clock.py", "from datetime import UTC, datetime\nnow = datetime.now(UTC)"),
        ("migrations/env.py", "from indexer.store.tables import Base"),
        ("web/app.py", "from indexer.service import Service"),
    ],
)
def test_what_is_allowed_raises_no_complaint(path, line):
    assert broken_rules(path, line) == []


# ARCHITECTURE.md has one section for each folder, "### `folder/` ...", that lists its files.
SECTION = re.compile(r"^#{2,3} `(?P<folder>[\w/]+/)`.*?$(?P<body>.*?)(?=^#{1,3} |\Z)", re.M | re.S)
FULL_PATH = re.compile(r"`((?:search|indexer|web|migrations|tests|docs|\.ci)/[\w./-]*)`")


def files_on_the_map(text: str) -> set[str]:
    """Every path that ``text`` names, in full or within its folder's section."""
    listed = {
        section["folder"] + name
        for section in SECTION.finditer(text)
        for name in re.findall(r"`([\w-]+\.\w+)`", section["body"])
    }
    return listed | set(FULL_PATH.findall(text))


def test_the_map_names_only_what_exists():
    named = files_on_the_map((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_map_names_every_module():
    named = files_on_the_map((ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    modules = [path for path in sources() if not path.endswith("__init__.py") and "/versions/" not in path]
    assert [path for path in modules if path not in named] == []


def test_a_file_listed_under_its_folder_is_on_the_map():
    page = "### `search/text/`: which words?\n| `analyzer.py` | all |\n## Rules\nsee `docs/a.svg`, `b.py`\n"
    assert files_on_the_map(page) == {"search/text/", "search/text/analyzer.py", "docs/a.svg"}
