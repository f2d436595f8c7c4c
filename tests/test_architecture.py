"""Layers and public names: which module may import which, which packages are used where, and what `__all__` lists.

Imports are read from the source, so lazy ones count as well; those under `TYPE_CHECKING` do not exist at run time
and do not count. The table of floors in `docs/design.md` is made here:

    python tests/test_architecture.py
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from importlib import metadata
from pathlib import Path

import attrs
import pytest

import bing_images_async

PACKAGE = "bing_images_async"
ROOT = Path(bing_images_async.__file__).parent
DESIGN = ROOT.parent / "docs" / "design.md"
FILES = sorted(ROOT.rglob("*.py"))


@attrs.frozen
class Floor:
    """Modules and packages that may import each other, as far as there is no cycle, and those of lower floors."""

    names: tuple[str, ...]
    """`""` is the package's own `__init__`."""
    purpose: str


FLOORS = (
    Floor(("errors", "events", "models", "_validation", "_version"), "what is returned, raised and reported"),
    Floor(("params",), "what can be asked, checked before anything is sent"),
    Floor(
        ("_protocol", "_transport"),
        "`_protocol`: requests and answers as plain data, no I/O; `_transport`: connections below httpx",
    ),
    Floor(("_pipeline",), "one call: deadline, retries, limits, send"),
    Floor(
        ("_config", "_fan_out", "_lifecycle", "_logging", "_pagination", "_upload"),
        "parts of a session: options, life, many pages, many queries",
    ),
    Floor(("_session",), "the session"),
    Floor(("", "__main__", "cli", "emulator", "testing"), "public names; what is built on the library"),
)
"""From the lowest."""

UPWARD = {"_session": {"emulator.local"}}
"""Imports of a higher floor that are allowed: `ImageSearchSession.local()` opens the service of our own."""

USERS = {
    "httpx": {"_transport.client", "_transport.tls", "_pipeline.pipeline", "_pipeline.send", "_session"},
    "httpcore": {"_transport"},
    "httptools": {"_transport.parser"},
    "cattrs": {"_protocol.decoding"},
    "msgspec": {"_protocol.fast_decoding", "_protocol.json"},
}
"""Modules, or packages with all their modules, that may import a package. The top floor may import any of them."""

PUBLIC = ("", "errors", "events", "models", "params", "testing", "emulator", "cli")


def dotted(file: Path) -> str:
    """`_transport.pool` for `_transport/pool.py`, `models` for `models/__init__.py`, nothing for the package's own."""
    parts = list(file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(file): file for file in FILES}


def unit_of(module: str) -> str:
    """`_transport` for `_transport.pool`: what stands on a floor."""
    return module.partition(".")[0]


def floor_of(module: str) -> int:
    """The number of a module's floor, from 0; a module that is on none fails the test."""
    for number, floor in enumerate(FLOORS):
        if unit_of(module) in floor.names:
            return number
    pytest.fail(f"{module} is on no floor: add it to FLOORS")


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


def cycle_in(graph: Mapping[str, Collection[str]]) -> list[str]:
    """The nodes of a cycle, the first one again at the end; empty if there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def floors_table() -> str:
    """The table of `docs/design.md`, the highest floor first."""
    lines = ["| floor | modules | purpose |", "|--:|---|---|"]
    for number, floor in reversed(list(enumerate(FLOORS))):
        names = ", ".join(f"`{name or '__init__'}`" for name in floor.names)
        lines.append(f"| {number} | {names} | {floor.purpose} |")
    return "\n".join(lines)


@pytest.mark.parametrize("module", MODULES)
def test_module_imports_nothing_from_a_higher_floor(module: str) -> None:
    upward = {other for other in own_imports(module) if floor_of(other) > floor_of(module)}
    assert upward <= UPWARD.get(module, set())


def test_modules_import_each_other_in_no_cycle() -> None:
    assert cycle_in({module: own_imports(module) - {module} for module in MODULES}) == []


def test_packages_import_each_other_in_no_cycle() -> None:
    """Modules without a cycle may still make one of packages."""
    graph: dict[str, set[str]] = {}
    for module in MODULES:
        graph.setdefault(unit_of(module), set()).update(map(unit_of, own_imports(module)))
    assert cycle_in({unit: others - {unit} for unit, others in graph.items()}) == []


def test_cycle_is_found() -> None:
    """Or the tests above could not fail."""
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) != []
    assert cycle_in({"a": {"b"}, "b": {"c"}, "d": {"a"}}) == []


def test_every_name_of_a_floor_exists() -> None:
    assert {name for floor in FLOORS for name in floor.names} == set(map(unit_of, MODULES))


def test_design_has_the_table_of_floors() -> None:
    """Print it with `python tests/test_architecture.py`."""
    assert floors_table() in DESIGN.read_text("utf-8")


def test_transport_and_protocol_are_independent() -> None:
    """The transport is of use to any protocol, and the protocol to any transport."""
    for module in MODULES:
        if unit_of(module) == "_transport":
            assert {unit_of(name) for name in own_imports(module)} <= {"_transport", "errors"}, module
        if unit_of(module) == "_protocol":
            assert "_transport" not in {unit_of(name) for name in own_imports(module)}, module


def test_emulator_is_imported_by_testing_cli_and_local_sessions_only() -> None:
    """A client needs no service of its own."""
    users = {
        module
        for module in MODULES
        if module.partition(".")[0] != "emulator"
        and any(n.partition(".")[0] == "emulator" for n in own_imports(module))
    }
    assert {name.partition(".")[0] for name in users} <= {"testing", "cli", "_session"}


def test_emulator_imports_no_client() -> None:
    """Models and parameter names at most, so that it cannot share a mistake of the client."""
    for module in MODULES:
        if module.partition(".")[0] == "emulator":
            foreign = {name.partition(".")[0] for name in own_imports(module)} - {"emulator"}
            assert foreign <= {"models", "params", "_version"}, module


@pytest.mark.parametrize("package", USERS)
def test_package_is_imported_only_where_it_belongs(package: str) -> None:
    """All else deals in plain data. What is built on the library may use what it likes."""
    users = {module for module in MODULES if imports_any(module, package) and floor_of(module) < len(FLOORS) - 1}
    assert users
    assert {module for module in users if not USERS[package] & {module, unit_of(module)}} == set()


def test_no_backend_is_imported_outside_testing() -> None:
    """All waiting is done through anyio."""
    naming = {module for module in MODULES if imports_any(module, "asyncio", "trio", "sniffio")}
    assert {module.partition(".")[0] for module in naming} <= {"testing"}


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("_protocol")])
def test_protocol_does_no_io(module: str) -> None:
    """Nothing to await, no network, no files."""
    assert not imports_any(module, "anyio", "httpx", "httpcore", "socket", "ssl", "os", "pathlib")
    if module != "_protocol.retry_after":  # a default of its argument `clock` (RFC 9110, section 6.6.1)
        assert not imports_any(module, "time")
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    assert [n for n in ast.walk(tree) if isinstance(n, ast.Await | ast.AsyncFunctionDef | ast.AsyncWith)] == []


def test_imports_inside_the_package_are_relative() -> None:
    for module, file in MODULES.items():
        tree = ast.parse(file.read_text("utf-8"))
        names = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level == 0]
        names += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
        assert [name for name in names if name.partition(".")[0] == PACKAGE] == [], module


def test_imports_are_found_relative_nested_and_lazy() -> None:
    """Or the tests above could not fail."""
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


def test_core_can_be_imported_without_extras() -> None:
    missing = extras()
    assert {"rich", "starlette", "PIL", "pytest", "trio"} <= missing
    script = (
        f"import sys; sys.modules.update(dict.fromkeys({sorted(missing)!r}))\n"
        f"import {PACKAGE}, {PACKAGE}.testing\n"
        f"print(*[name for name in {sorted(missing)!r} if sys.modules.get(name)])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_core_imports_no_extra_that_is_installed() -> None:
    """Importing them would make `import bing_images_async` slow."""
    script = (
        "import sys, anyio, attrs, cattrs, httpcore, httpx, msgspec\n"  # httpx itself imports some, where they are
        f"before = set(sys.modules)\nimport {PACKAGE}\n"
        f"print(*({extras()!r} & (sys.modules.keys() - before)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


# --- what is public


@pytest.mark.parametrize("module", [m for m in MODULES if m != "__main__"])
def test_all_is_sorted_and_its_names_exist(module: str) -> None:
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


def test_models_exports_every_model_class_of_its_files() -> None:
    models = importlib.import_module(f"{PACKAGE}.models")
    offered: set[str] = set()
    for module in MODULES:
        if module.startswith("models."):
            part = importlib.import_module(f"{PACKAGE}.{module}")
            offered |= {name for name in part.__all__ if inspect.isclass(getattr(part, name))}
    assert offered == set(models.__all__)


def test_every_module_and_public_name_has_a_docstring() -> None:
    for module, file in MODULES.items():
        if module == "__main__" or not file.read_text("utf-8").strip():
            continue
        loaded = importlib.import_module(f"{PACKAGE}.{module}".rstrip("."))
        assert loaded.__doc__, module
        for name in getattr(loaded, "__all__", ()):
            value = getattr(loaded, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                assert value.__doc__, f"{module}.{name}"


def test_package_has_the_marker_of_typed_packages() -> None:
    """Type checkers read annotations only with it (PEP 561)."""
    assert (ROOT / "py.typed").is_file()


if __name__ == "__main__":
    print(floors_table())
