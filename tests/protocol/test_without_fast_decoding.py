"""The fast path is optional: the tests of decoding pass without its file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
WITHOUT = "bing_images_async._protocol.fast_decoding"


@pytest.mark.skipif(sys.modules.get(WITHOUT, ...) is None, reason="this is the run without the fast path")
def test_decoding_passes_its_tests_without_the_fast_path() -> None:
    """In a process in which the module cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no_fast_decoding", "-p", "no:cacheprovider",
         str(TESTS / "protocol"), str(TESTS / "test_models.py")],
        cwd=TESTS.parent, env=os.environ | {"PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5_000:] + done.stderr[-1_000:]
    assert f"could not import '{WITHOUT}'" in done.stdout
