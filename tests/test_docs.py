"""What the documentation promises: its code runs, its commands work, its links lead somewhere, its names exist."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from types import ModuleType

import anyio
import attrs
import click
import pytest

import bing_images_async
from bing_images_async import ImageSearchSession, errors
from bing_images_async._protocol.request_building import Service
from bing_images_async.cli.program import program
from bing_images_async.emulator import FAULTS, open_openmoji
from bing_images_async.params import CommonParams, DetailsParams, SearchParams

ROOT = Path(__file__).parent.parent
DOCUMENTS = (
    *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY")),
    *sorted((ROOT / "docs").glob("*.md")),
)

_FENCE = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?(?P<indent>[ ]*)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


# --- reading


@attrs.frozen
class Block:
    """A fenced block of a document."""

    document: Path
    line: int
    """Where its code begins, counted from 1."""
    language: str
    code: str
    reason: str | None = None
    """Why it is not run, if the document says so."""

    def __str__(self) -> str:
        return f"{self.document.name}:{self.line}"

    @property
    def tree(self) -> ast.Module:
        """The code, at the lines it has in the document. `await` may stand at its top level."""
        tree = ast.parse(self.code, str(self.document))
        ast.increment_lineno(tree, self.line - 1)
        return tree

    @property
    def lasting(self) -> list[ast.stmt]:
        """What later blocks may count on: imports and constants."""
        return [node for node in self.tree.body if isinstance(node, ast.Import | ast.ImportFrom) or is_constant(node)]

    @property
    def is_test(self) -> bool:
        """Is it for pytest: a test, or a conftest.py?"""
        names = [node.name for node in self.tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        return self.is_conftest or any(name.startswith("test_") for name in names)

    @property
    def is_conftest(self) -> bool:
        return self.code.startswith("# conftest.py")


def is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and all(isinstance(it, ast.Name) and it.id.isupper() for it in node.targets)


def blocks_of(document: Path, text: str) -> list[Block]:
    return [
        Block(
            document,
            text.count("\n", 0, match.start("code")) + 1,
            match["language"],
            textwrap.dedent(match["code"]),
            match["reason"],
        )
        for match in _FENCE.finditer(text)
    ]


@cache
def blocks(document: Path) -> list[Block]:
    return blocks_of(document, document.read_text("utf-8"))


def python_blocks() -> list[Block]:
    return [block for document in DOCUMENTS for block in blocks(document) if block.language == "python"]


def as_read_so_far(block: Block) -> ast.Module:
    """The block after the imports and constants of all earlier ones of its document, which a reader has seen."""
    earlier = [one for one in blocks(block.document) if one.language == "python" and one.line < block.line]
    seen = [statement for one in earlier for statement in one.lasting]
    return ast.Module([*seen, *block.tree.body], type_ignores=[])


def prose(document: Path) -> str:
    """The text between the blocks."""
    return _FENCE.sub("", document.read_text("utf-8"))


def rows(document: Path, heading: str) -> Iterator[list[str]]:
    """The cells of the first table below a heading, without its head."""
    _, found, rest = prose(document).partition(f"\n{heading}\n")
    assert found, f"{document.name} has no {heading!r}"
    table = re.search(r"^\|.*\n\|[-|]+\|\n((?:\|.*\n)+)", rest, re.MULTILINE)
    assert table is not None
    for line in table[1].splitlines():
        yield [cell.strip() for cell in line.strip("|").split("|")]


def names_in(cell: str) -> list[str]:
    return _SPAN.findall(cell)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_fence_is_seen(document: Path) -> None:
    """A block that the other tests overlook would be one that nobody checks."""
    fences = [line for line in document.read_text("utf-8").splitlines() if line.lstrip().startswith("```")]
    assert len(fences) == 2 * len(blocks(document))
    assert {block.language for block in blocks(document)} <= {
        "",
        "python",
        "sh",
        "text",
        "json",
        "js",
        "ini",
        "toml",
        "mermaid",
    }


def test_blocks_are_read_as_written() -> None:
    """Lines are those of the document, and the reason stands right above."""
    text = "# A\n\n```python\nX = 1\n```\n\n<!-- not run: no key -->\n```python\nkey\n```\n- x\n  ```sh\n  ls\n  ```\n"
    found = blocks_of(Path("a.md"), text)
    assert [(block.line, block.language, block.reason) for block in found] == [
        (4, "python", None), (9, "python", "no key"), (13, "sh", None)
    ]  # fmt: skip
    assert found[2].code == "ls\n"
    assert found[1].tree.body[0].lineno == 9


# --- running


@pytest.fixture(scope="session")
def openmoji_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the whole default catalogue: the environment's, else the one that the tests of the commands use."""
    chosen = os.environ.get("BING_IMAGES_CACHE")
    folder = Path(chosen) if chosen else tmp_path_factory.getbasetemp() / "cache"
    open_openmoji(folder).close()
    return folder


@pytest.fixture
def desk(tmp_path: Path, openmoji_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A reader's working folder: no key is set, and the files that examples name are there."""
    for name in ("KEY", "KEY_FILE", "URL"):
        monkeypatch.delenv(f"BING_IMAGES_{name}", raising=False)
    monkeypatch.setenv("BING_IMAGES_CACHE", str(openmoji_cache))
    monkeypatch.chdir(tmp_path)
    for file in ("photo.jpg", "pictures/harbour/paper-boat.jpg"):
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        Path(file).write_bytes(picture())
    Path("keys.txt").write_text("secret\n")
    return tmp_path


@cache
def picture() -> bytes:
    """A JPEG file to which the built-in service has similar images."""
    from io import BytesIO

    from PIL import Image

    async def drawn() -> bytes:
        async with ImageSearchSession.local() as session:
            return await session.fetch(str((await session.search("bird")).value[0].content_url))

    file = BytesIO()
    Image.open(BytesIO(anyio.run(drawn))).convert("RGB").save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize("block", python_blocks(), ids=str)
def test_python_compiles(block: Block) -> None:
    """Even what is not run is Python."""
    compile(block.tree, str(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


RUN = [block for block in python_blocks() if block.reason is None and not block.is_test]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("block", RUN, ids=str)
@pytest.mark.usefixtures("desk")
def test_python_runs(block: Block, backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block by itself, with what it may count on; where it calls `anyio.run`, on this backend."""
    run = partial(anyio.run, backend=backend)
    monkeypatch.setattr(anyio, "run", run)
    code = compile(as_read_so_far(block), str(block.document), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    namespace = {"__name__": "__main__"}
    if code.co_flags & inspect.CO_COROUTINE:
        run(lambda: eval(code, namespace))
    else:
        exec(code, namespace)


@pytest.mark.parametrize(
    "document", [one for one in DOCUMENTS if any(block.is_test for block in blocks(one) if block.language == "python")],
    ids=lambda path: path.name,
)  # fmt: skip
def test_tests_pass(document: Path, desk: Path) -> None:
    """Blocks that are tests, by pytest, with warnings as errors and on every backend."""
    tests = [block for block in blocks(document) if block.language == "python" and block.is_test]
    for block in tests:
        name = "conftest.py" if block.is_conftest else f"test_line_{block.line}.py"
        Path(name).write_text(ast.unparse(as_read_so_far(block)), "utf-8")
    # Without pytest-asyncio, which wants settings of its own: the documents use anyio's plugin.
    options = ["-q", "-W", "error", "-p", "no:asyncio", "-p", "no:cacheprovider", "--rootdir", str(desk)]
    command = [sys.executable, "-m", "pytest", *options, str(desk)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr


# --- commands


@attrs.frozen
class CommandLine:
    """One call of `bing-images` in a document."""

    block: Block
    words: tuple[str, ...]
    """What comes after `bing-images`."""

    def __str__(self) -> str:
        return f"{self.block.document.name}: bing-images {' '.join(self.words)}"


def command_lines() -> list[CommandLine]:
    return [
        CommandLine(block, words)
        for document in DOCUMENTS
        for block in blocks(document)
        if block.language == "sh"
        for line in block.code.splitlines()
        for words in calls_in(line)
    ]


def calls_in(line: str) -> Iterator[tuple[str, ...]]:
    """The calls of `bing-images` in a line of shell: whatever else there is, before it and after it."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    call: list[str] | None = None
    for word in [*lexer, ";"]:
        if set(word) <= set(";|&<>()"):
            if call is not None:
                yield tuple(call)
            call = None
        elif call is not None:
            call.append(word)
        elif word == "bing-images":
            call = []


def test_calls_are_found_in_shell_lines() -> None:
    """Comments, pipes and other commands do not belong to them."""
    line = ". env/bin/activate && bing-images search 'red apple' --count 2 | head -3 ; bing-images doctor  # really"
    assert list(calls_in(line)) == [("search", "red apple", "--count", "2"), ("doctor",)]
    assert list(calls_in("pip install '.[cli]'")) == []


@pytest.mark.parametrize("line", command_lines(), ids=str)
@pytest.mark.usefixtures("desk")
def test_commands_parse(line: CommandLine) -> None:
    """The command, its options and their values are known."""
    name, *arguments = line.words
    with program.commands[name].make_context(name, arguments):
        pass


@pytest.mark.parametrize(
    "line", [one for one in command_lines() if one.words[0] in {"search", "details", "trending"}], ids=str
)
@pytest.mark.usefixtures("desk")
def test_commands_find_something(line: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    """Run as they stand, without a key, they end with 0 and something on stdout or in the file they name."""
    with pytest.raises(SystemExit) as ended:
        program.main(args=list(line.words), prog_name="bing-images")
    out, err = capsys.readouterr()
    assert ended.value.code == 0, err
    assert out or "--html" in line.words


# --- words


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """To a file of the repository, and to a heading in it."""
    for target in _LINK.findall(prose(document)):
        if target.startswith(("https://", "http://")):
            continue
        path, _, heading = target.partition("#")
        there = document.parent / path if path else document
        assert there.exists(), f"{document.name} links to {target}"
        assert not heading or heading in anchors(there), f"{document.name} links to {target}"


_PATH = re.compile(r"(?:bing_images_async|benchmarks|docs|examples|tests|\.ci)/[\w./-]*")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_paths_exist(document: Path) -> None:
    """Each path in backticks that begins with a folder of the repository."""
    paths = [span for span in _SPAN.findall(prose(document)) if _PATH.fullmatch(span)]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def anchors(document: Path) -> set[str]:
    """The headings of a document as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", prose(document), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_names_exist(document: Path) -> None:
    """Each dotted, snake_case or CamelCase name in backticks is one that the package's source knows."""
    texts = [span for span in _SPAN.findall(prose(document)) if not _FILE_NAME.search(span)]
    spans = [match for match in map(_NAME.match, texts) if match is not None]
    unknown = [span[0] for span in spans if not exists(span[1])]
    assert unknown == []


_NAME = re.compile(
    r"((?:[A-Za-z_]\w*\.)*"  # modules, objects
    r"(?:[A-Za-z]\w*(?=[(=])|[A-Za-z]\w*_\w+|[A-Z][a-z]+[A-Z]\w*|(?<=\.)[A-Za-z_]\w+))"  # called, or of a telling form
    r"(?:[(=].*)?$"
)
_FILE_NAME = re.compile(r"\.(?:py|md|toml|txt|json|jsonl|csv|html|jpg|svg|sqlite3)$")


def exists(name: str) -> bool:
    root, *rest = name.split(".")
    if root in _OTHERS:
        return resolves(importlib.import_module(root), rest)
    return known_names().issuperset((root, *rest))


_OTHERS = ("anyio", "asyncio", "httpcore", "httpx", "pathlib", "pytest", "respx", "sentry_sdk", "trio", "vcr")


def resolves(module: ModuleType, names: list[str]) -> bool:
    found: object = module
    for name in names:
        if not hasattr(found, name):
            return False
        found = getattr(found, name)
    return True


@cache
def known_names() -> frozenset[str]:
    """Every identifier of the package's source, and every word in its string constants (names of the wire)."""
    words: set[str] = set()
    for file in Path(bing_images_async.__file__).parent.rglob("*.py"):
        words.add(file.stem)
        words.add(file.parent.name)
        words.update(re.findall(r"[A-Za-z_]\w*", file.read_text("utf-8")))
    return frozenset(words)


def test_a_name_that_does_not_exist_is_noticed() -> None:
    """Or the test above could not fail."""
    assert exists("answer.meta.client_id")
    assert exists("httpx.MockTransport")
    assert not exists("answer.meta.clientid_")
    assert not exists("httpx.MockTransports")
    assert _NAME.match("ImageSearchSession.local(folder)") is not None
    assert _NAME.match("no_such_name") is not None


def options_of(command: click.Command) -> set[str]:
    inner = command.commands.values() if isinstance(command, click.Group) else ()
    own = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return own.union({"--help"}, *map(options_of, inner))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_options_exist(document: Path) -> None:
    """Each `--option` of the text is one of the command line."""
    mentioned = {span.split()[0].partition("=")[0] for span in _SPAN.findall(prose(document)) if span.startswith("--")}
    assert mentioned <= options_of(program)


# --- tables of docs/api.md and docs/emulator.md

API = ROOT / "docs" / "api.md"


@pytest.mark.parametrize(
    ("heading", "kind"),
    [("### Of all endpoints", CommonParams), ("### Search", SearchParams), ("### Details", DetailsParams)],
)
def test_every_parameter_is_listed(heading: str, kind: type[CommonParams]) -> None:
    """With its wire name; none is listed that does not exist."""
    listed = {names_in(python)[0]: tuple(names_in(wire)) for python, wire, *_ in rows(API, heading)}
    own = [field for field in attrs.fields(kind) if kind is CommonParams or not field.inherited]
    edges = {"crop": ("cal", "cat", "car", "cab"), "image": ()}
    names = {field.name: field.metadata.get("query") or field.metadata.get("header") for field in own}
    assert listed == {name: edges.get(name, (wire,)) for name, wire in names.items()}


@pytest.mark.parametrize("heading", ["### Search", "### Details"])
def test_every_word_of_a_parameter_is_listed(heading: str) -> None:
    """The members of each enum, all of them and in their order."""
    from bing_images_async import params

    enums = {
        "aspect": params.Aspect, "color": params.Color, "freshness": params.Freshness,
        "image_content": params.ImageContent, "image_type": params.ImageType, "license": params.License,
        "size": params.ImageSize, "modules": params.Module, "crop_type": params.CropType,
    }  # fmt: skip
    cells = {names_in(python)[0]: names_in(values) for python, _, values, *_ in rows(API, heading)}
    listed = {name: words for name, words in cells.items() if name in enums}
    assert listed == {name: [str(word) for word in enums[name]] for name in listed}
    assert listed


def test_every_error_is_listed() -> None:
    """All classes but the root."""
    listed = {name for *_, kind, _ in rows(API, "## Errors") for name in names_in(kind)}
    assert listed == set(errors.__all__) - {"BingImagesError"}


def test_base_urls_are_read_as_listed() -> None:
    """The table of forms."""
    for given, below in rows(API, "## The service"):
        url = names_in(given)[0] if names_in(given) else "https://api.bing.microsoft.com/v7.0"
        assert Service.at(url).base == names_in(below)[0]


def test_thumbnails_are_as_listed() -> None:
    """The table of what `thumbnail_at` adds."""
    image = bing_images_async.models.Image(thumbnail_url="https://pictures.test/th?id=OIP.a_b&pid=Api")
    for call, added, _ in rows(API, "## Thumbnails"):
        url = eval(f"image.thumbnail_at({names_in(call)[0]})", {"image": image})
        assert url == f"{image.thumbnail_url}&{names_in(added)[0]}"


def test_every_fault_is_listed() -> None:
    """In docs/emulator.md, by its name."""
    listed = {name for names, _ in rows(ROOT / "docs" / "emulator.md", "### Faults") for name in names_in(names)}
    assert listed == FAULTS
