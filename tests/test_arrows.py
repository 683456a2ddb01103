"""Imports point one way: the pure core knows nothing of the world, the world's parts nothing of one another."""

import ast
from functools import cache
from pathlib import Path

import pytest

import ampacity

SOURCE = Path(ampacity.__file__).parent

# What each part may know, besides itself.
MAY_KNOW = {
    "errors": set(),
    "timegrid": {"errors"},
    "figures": set(),
    "network": {"errors", "timegrid"},
    "forecasting": {"errors", "timegrid", "network"},
    "allocation": {"errors", "timegrid", "network"},
    "peers": {"errors", "timegrid", "network"},
    "people": {"errors", "timegrid", "network"},
    "ports": {"errors", "timegrid", "network", "forecasting", "allocation", "peers", "people"},
    "console_ports": {"errors", "timegrid", "network", "people", "peers", "ports"},
    "identity": {"errors", "console_ports"},
    "operations": {
        "errors", "timegrid", "figures", "network", "forecasting", "allocation", "peers", "people", "ports",
        "console_ports",
    },
    "intake": {"errors", "timegrid", "network", "forecasting", "ports"},
    "store": {
        "errors", "timegrid", "figures", "network", "forecasting", "allocation", "peers", "people", "ports",
        "console_ports",
    },
    "cluster": {"errors", "ports"},
    "weather": {"errors", "timegrid", "network", "forecasting", "ports"},
    "simulation": {"errors", "timegrid", "network", "intake", "oscp", "peers"},
    "oscp": {"errors", "timegrid", "network", "peers", "ports", "operations"},
    "console": {
        "errors", "timegrid", "network", "forecasting", "allocation", "peers", "people", "ports", "console_ports",
        "operations",
    },
    "app": {
        "errors", "timegrid", "network", "forecasting", "allocation", "peers", "ports", "operations", "intake", "store",
        "weather", "simulation", "oscp", "console", "people", "console_ports", "identity", "cluster", "figures",
    },
    "__main__": {"app"},
    "__init__": set(),
}  # fmt: skip

# Where a library may appear.
ONLY_IN = {
    "asyncpg": ("store",),
    "distributed": ("cluster",),
    "httpx": ("oscp.", "weather", "simulation.", "app.bench"),
    "litestar": ("oscp.", "console", "app"),
    "uvicorn": ("app", "simulation."),
    "typer": ("app",),
    "rich": ("app",),
}

PURE = ("errors", "timegrid", "figures", "network", "forecasting", "allocation", "peers", "people")
IMPURE_MODULES = {"asyncio", "os", "time", "socket", "subprocess", "threading", "random"}


@cache
def imports() -> dict[str, set[str]]:
    """What each module imports, by their full names."""
    found: dict[str, set[str]] = {}
    for file in SOURCE.rglob("*.py"):
        name = ".".join(file.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        found[name] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found[name].update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found[name].add(node.module)
                found[name].update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def test_every_part_knows_only_what_it_may():
    wrong = [
        f"{module} imports {imported}"
        for module, names in imports().items()
        for imported in names
        if imported.startswith("ampacity.")
        and part_of(imported) != part_of(module)
        and part_of(imported) not in MAY_KNOW[part_of(module)]
    ]

    assert wrong == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_stays_in_its_place(library):
    wrong = [
        module
        for module, names in imports().items()
        for name in names
        if name.split(".")[0] == library and not (module.removeprefix("ampacity.") + ".").startswith(ONLY_IN[library])
    ]

    assert wrong == []


def test_the_pure_parts_touch_neither_clock_nor_world():
    wrong = [
        f"{module} imports {name}"
        for module, names in imports().items()
        if part_of(module) in PURE
        for name in names
        if name.split(".")[0] in IMPURE_MODULES
    ]

    assert wrong == []


def test_wire_types_stay_with_their_protocol():
    wrong = [
        module
        for module, names in imports().items()
        if any(n.startswith("ampacity.oscp.wire") for n in names) and part_of(module) not in {"oscp", "simulation"}
    ]

    assert wrong == []


def test_there_is_no_cycle_of_imports():
    graph = {module: {n for n in names if n in imports() and n != module} for module, names in imports().items()}
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> None:
        assert module not in path, f"cycle: {' -> '.join([*path[path.index(module) :], module])}"
        if module not in done:
            for imported in graph[module]:
                if not module.startswith(imported + "."):  # a part of a package may be listed by the package itself
                    visit(imported, [*path, module])
            done.add(module)

    for module in graph:
        visit(module, [])
