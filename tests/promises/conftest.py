"""Measurements in full length carry the mark `figures`, and run when they are asked for: `pytest -m figures -s`."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "figures: the promises in figures, in full length (pytest -m figures -s)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "figures" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("figures") is not None]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]
