"""The house is in order: who may import whom, what is public, and how long a file may be.

`docs/design.md` explains the floors. Imports are read from the source, so that lazy ones count as
well; those under `TYPE_CHECKING` do not exist at run time and do not count.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import bing_images_async

PACKAGE = "bing_images_async"
ROOT = Path(bing_images_async.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"_version", "errors"}),
    frozenset({"_validation", "events", "models"}),
    frozenset({"params"}),
    frozenset({"_protocol", "_transport"}),
    frozenset({"_pipeline"}),
    frozenset({"_config", "_fan_out", "_lifecycle", "_logging", "_pagination", "_upload"}),
    frozenset({"_session"}),
    frozenset({"", "__main__", "cli", "emulator", "testing"}),
)
"""From the ground up. A module imports from lower floors and from its own package; `""` is the front door."""

HTTPX = ("_transport", "_pipeline.pipeline", "_pipeline.send", "_session")
"""All of the client that may import httpx; the packages of the top floor may as well."""
TOP = ("testing", "cli", "emulator")

LONGEST = 350
LONG: dict[str, str] = {
    "_session.py": "the public methods with their docstrings; what they do is elsewhere",
    "_protocol/decoding.py": "one converter: its hooks, the fields of models, partial decoding",
    "emulator/catalogue/sqlite_catalogue.py": "one class: the catalogue as a table of columns",
}
"""Files that may be longer, and why."""

PUBLIC = ("", "errors", "events", "models", "params", "testing", "emulator", "cli")


def dotted(file: Path) -> str:
    """`_transport.pool` for `_transport/pool.py`, `models` for `models/__init__.py`, nothing for the front door."""
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(file): file for file in FILES}


def floor_of(module: str) -> int:
    """The number of a module's floor, from 0; a module that is on none fails the test."""
    top = module.partition(".")[0]
    for number, floor in enumerate(FLOORS):
        if top in floor:
            return number
    pytest.fail(f"{module} is on no floor: write it into FLOORS")


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those under `if TYPE_CHECKING:`."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from run_time_nodes(other)
        else:
            yield from run_time_nodes(child)


def absolute(module: str, file: Path, node: ast.ImportFrom) -> list[str]:
    """What `from … import …` imports: full names, down to the submodule where there is one."""
    if node.level == 0:
        return [node.module or ""]
    here = [PACKAGE, *module.split(".")] if module else [PACKAGE]
    if file.name != "__init__.py":
        here = here[:-1]
    here = here[: len(here) - node.level + 1]
    base = ".".join([*here, *(node.module.split(".") if node.module else [])])
    inside = base.removeprefix(PACKAGE).lstrip(".")
    names = [f"{inside}.{alias.name}".lstrip(".") for alias in node.names]
    return [f"{PACKAGE}.{name}" if name in MODULES else base for name in names]


def imports(module: str) -> set[str]:
    """Full names of all modules that `module` imports at run time, here or inside a function."""
    file = MODULES[module]
    found: set[str] = set()
    for node in run_time_nodes(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= set(absolute(module, file, node))
    return found


def own_imports(module: str) -> set[str]:
    """Those of our own package, without its name."""
    return {name.removeprefix(PACKAGE).lstrip(".") for name in imports(module) if name.partition(".")[0] == PACKAGE}


def imports_any(module: str, *packages: str) -> bool:
    """Does `module` import one of these packages, or a part of one?"""
    return bool({name.partition(".")[0] for name in imports(module)} & set(packages))


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down(module: str) -> None:
    """A module imports from lower floors only, or from its own package."""
    own = module.partition(".")[0]
    top = len(FLOORS) - 1
    upward = {
        other
        for other in own_imports(module)
        if other.partition(".")[0] != own and floor_of(other) >= floor_of(module) and floor_of(module) != top
    }
    allowed = {"emulator.local"} if module == "_session" else set[str]()  # inside `local()`
    assert upward - allowed == set()


def test_only_testing_the_command_line_and_local_sessions_know_the_emulator() -> None:
    """A client does not need a service of its own."""
    knowing = {
        module
        for module in MODULES
        if module.partition(".")[0] != "emulator"
        and any(n.partition(".")[0] == "emulator" for n in own_imports(module))
    }
    assert {name.partition(".")[0] for name in knowing} <= {"testing", "cli", "_session"}


def test_the_emulator_knows_no_client() -> None:
    """Of the library it uses the models and the parameters' words at most, so that it cannot copy a mistake."""
    for module in MODULES:
        if module.partition(".")[0] == "emulator":
            foreign = {name.partition(".")[0] for name in own_imports(module)} - {"emulator"}
            assert foreign <= {"models", "params", "_enums", "_version"}, module


def test_httpx_stays_where_requests_are_sent() -> None:
    """All else deals in plain data."""
    using = {module for module in MODULES if imports_any(module, "httpx")}
    assert {module for module in using if not module.startswith((*HTTPX, *TOP))} == set()


def test_httpcore_stays_in_the_transport() -> None:
    """Whatever speaks HTTP stands in one package."""
    using = {module for module in MODULES if imports_any(module, "httpcore", "h11", "httptools")}
    assert {module for module in using if not module.startswith(("_transport", "emulator"))} == set()


def test_no_backend_is_named_outside_testing() -> None:
    """Whatever waits, waits through anyio."""
    naming = {module for module in MODULES if imports_any(module, "asyncio", "trio", "sniffio")}
    assert {module.partition(".")[0] for module in naming} <= {"testing"}


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("_protocol")])
def test_the_protocol_layer_does_no_io(module: str) -> None:
    """Bytes to objects and back: nothing to await, no network, no files."""
    assert not imports_any(module, "anyio", "httpx", "httpcore", "socket", "ssl", "os", "pathlib", "time")
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    assert [n for n in ast.walk(tree) if isinstance(n, ast.Await | ast.AsyncFunctionDef | ast.AsyncWith)] == []


def test_inside_the_package_imports_are_relative() -> None:
    """Its name stands in no import statement of its own."""
    for module, file in MODULES.items():
        tree = ast.parse(file.read_text("utf-8"))
        names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level == 0]
        names += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
        assert [name for name in names if name.partition(".")[0] == PACKAGE] == [], module


def test_the_walk_sees_imports() -> None:
    """Relative, nested, lazy and guarded ones; or the tests above would prove nothing."""
    assert {"_pipeline.call", "errors", "_protocol.messages"} <= own_imports("_pipeline.send")
    assert "emulator.local" in own_imports("_session")
    assert "emulator" not in own_imports("_session")
    assert {"errors", "models", "params", "_session"} <= own_imports("")
    assert {"_validation", "errors"} <= own_imports("models.thumbnails")
    assert imports_any("_transport.pool", "httpcore")


# --- the core without the extras


def extras() -> set[str]:
    """The packages that come with an extra, by the names they are imported under."""
    named = {
        re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")
        for requirement in metadata.requires("bing-images-async") or ()
        if "extra ==" in requirement
    } - {"bing-images-async"}
    return {
        package
        for package, distributions in metadata.packages_distributions().items()
        if named & {name.lower().replace("_", "-") for name in distributions}
    }


def test_the_core_needs_no_extra() -> None:
    """With every package of the extras out of reach, the library and its public modules can be imported."""
    missing = extras()
    assert {"rich", "starlette", "PIL", "pytest", "trio"} <= missing
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(missing)!r}))\n"
        f"import {PACKAGE}, {PACKAGE}.testing\n"
        f"print(*[name for name in {sorted(missing)!r} if sys.modules.get(name)])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_the_core_imports_no_extra_that_is_there() -> None:
    """Nor are they imported where they are installed: that is what makes `import` quick."""
    script = (
        "import sys, anyio, attrs, cattrs, httpcore, httpx, msgspec\n"  # httpx itself imports some, where they are
        f"before = set(sys.modules)\nimport {PACKAGE}\n"
        f"print(*({extras()!r} & (sys.modules.keys() - before)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


# --- what is public


@pytest.mark.parametrize("module", [m for m in MODULES if m != "__main__"])
def test_all_is_sorted_and_true(module: str) -> None:
    """Every module that says what it offers says it in order, and has it."""
    loaded = importlib.import_module(f"{PACKAGE}.{module}".rstrip("."))
    names = list(getattr(loaded, "__all__", ()))
    assert names == sorted(set(names))
    assert [name for name in names if not hasattr(loaded, name)] == []


@pytest.mark.parametrize("module", PUBLIC)
def test_all_is_complete(module: str) -> None:
    """A public module lists every class and function of its own that has no underscore."""
    loaded = importlib.import_module(f"{PACKAGE}.{module}".rstrip("."))
    own = {
        name
        for name, value in vars(loaded).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == loaded.__name__
    }
    assert own - set(loaded.__all__) == set()


def test_the_models_are_all_at_the_front() -> None:
    """Every model class of the files is offered by the package `models`."""
    models = importlib.import_module(f"{PACKAGE}.models")
    offered: set[str] = set()
    for module in MODULES:
        if module.startswith("models."):
            part = importlib.import_module(f"{PACKAGE}.{module}")
            offered |= {name for name in part.__all__ if inspect.isclass(getattr(part, name))}
    assert offered == set(models.__all__)


def test_every_module_and_public_name_is_explained() -> None:
    """A module says what it is for in its first line; what it offers has a docstring."""
    for module, file in MODULES.items():
        if module == "__main__" or not file.read_text("utf-8").strip():
            continue
        loaded = importlib.import_module(f"{PACKAGE}.{module}".rstrip("."))
        assert loaded.__doc__, module
        for name in getattr(loaded, "__all__", ()):
            value = getattr(loaded, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert value.__doc__, f"{module}.{name}"


# --- the files


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_file_is_too_long(file: Path) -> None:
    """One reason to exist fits into some three hundred lines."""
    lines = len(file.read_text("utf-8").splitlines())
    assert lines <= LONGEST or str(file.relative_to(ROOT)) in LONG


def test_the_package_says_that_it_is_typed() -> None:
    """Type checkers read its annotations only with this marker (PEP 561)."""
    assert (ROOT / "py.typed").is_file()
