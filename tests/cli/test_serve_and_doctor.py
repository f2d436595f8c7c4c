"""`bing-images serve` and `bing-images doctor`."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.processes import start

Invoke = Any
Run = Any

KEY = "canary-key-0123456789abcdef01234"


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server in a process of its own, and the URL that it printed."""
    command = [sys.executable, "-m", "bing_images_async", "serve", "--port", "0", *arguments]
    with start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            assert re.fullmatch(r"export BING_IMAGES_URL=http://127\.0\.0\.1:\d+\n", line)
            yield line.strip().partition("=")[2], process
        finally:
            process.kill()


def test_what_it_prints_points_the_command_to_it(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("--folder", str(folder)) as (url, _):
        monkeypatch.setenv("BING_IMAGES_URL", url)
        result = invoke("search", "paper boat")
    assert result.exit_code == 0
    assert f"{url}/content/" in result.stdout
    assert result.stderr == ""


def test_ctrl_c_stops_it_cleanly(folder: Path) -> None:
    with serving("--folder", str(folder)) as (url, process):
        assert httpx.get(f"{url}/v7.0/images/search", params={"q": "boat"}).status_code == 200
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (130, "", "")


def test_keys_from_a_file_let_in_and_keep_out(
    invoke: Invoke, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n\n  {KEY}\n")
    with serving("--folder", str(folder), "--keys-file", str(file)) as (url, _):
        monkeypatch.setenv("BING_IMAGES_URL", url)
        refused = invoke("search", "boat")
        monkeypatch.setenv("BING_IMAGES_KEY_FILE", str(tmp_path / "key"))
        (tmp_path / "key").write_text(f"{KEY}\n")
        let_in = invoke("search", "boat")
        healthy = invoke("doctor")
    assert refused.exit_code == 3
    assert "Check the key" in refused.stderr
    assert let_in.exit_code == 0
    assert healthy.exit_code == 0
    assert KEY not in refused.stderr + let_in.stdout + healthy.stdout


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_serve_keys_file_with_byte_order_marks_accepts_all_keys(folder: Path, tmp_path: Path, encoding: str) -> None:
    """As files that were joined have them: one before each key."""
    joined = [f"{key}\n".encode(encoding) for key in (KEY, "second" * 6)]
    (tmp_path / "keys").write_bytes(b"".join(joined))
    with serving("--folder", str(folder), "--keys-file", str(tmp_path / "keys")) as (url, _):
        for key, status in ((KEY, 200), ("second" * 6, 200), ("x" * 32, 401)):
            headers = {"Ocp-Apim-Subscription-Key": key}
            found = httpx.get(f"{url}/v7.0/images/search", params={"q": "boat"}, headers=headers)
            assert found.status_code == status


def test_key_file_that_is_refused_is_named_as_the_user_set_it(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text("schlüssel-0123456789abcdef01234")
    monkeypatch.setenv("BING_IMAGES_KEY_FILE", str(tmp_path / "key"))
    result = invoke("search", "boat")
    assert result.exit_code == 2
    assert "BING_IMAGES_KEY_FILE=" in result.stderr
    assert "BING_IMAGES_KEY " not in result.stderr
    assert "0123456789" not in result.stderr


@pytest.mark.parametrize("text", [None, "# no key\n", "\xff"])
def test_a_keys_file_without_keys_is_two(invoke: Invoke, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "keys"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    result = invoke("serve", "--folder", str(tmp_path), "--keys-file", str(file))
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1


def test_a_port_in_use_is_one_line(invoke: Invoke, folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = invoke("serve", "--folder", str(folder), "--port", str(taken.getsockname()[1]))
    assert (result.exit_code, result.stdout) == (4, "")
    assert "--port 0 uses any free port" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_profile_decides_what_is_answered_and_admin_that_it_can_be_seen(folder: Path) -> None:
    """The service that is no more answers 410; whoever runs it may still look at it, from this machine."""
    from bing_images_async.emulator import PROFILES

    with serving("--folder", str(folder), "--profile", "retired", "--admin") as (url, _):
        assert httpx.get(f"{url}/v7.0/images/search", params={"q": "boat"}).status_code == 410
        state = httpx.get(f"{url}/__admin")
        elsewhere = httpx.get(f"{url}/__admin", headers={"Host": "example.com"})
    assert (state.status_code, elsewhere.status_code) == (200, 421)
    assert state.json()["profile"]["faults"] == PROFILES["retired"].as_json()["faults"] != []


def test_a_profile_that_there_is_not_is_two(invoke: Invoke, folder: Path) -> None:
    from bing_images_async.emulator import PROFILES

    result = invoke("serve", "--folder", str(folder), "--port", "0", "--profile", "nope")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--profile" in result.stderr
    assert "'nope'" in result.stderr
    assert [name for name in sorted(PROFILES) if name not in result.stderr] == []


def test_serve_answers_to_allowed_hosts(folder: Path) -> None:
    options = ("--allowed-host", "images.test", "--allowed-host", "other.test")
    with serving("--folder", str(folder), *options) as (url, _):
        for host, status in (("images.test", 200), ("other.test:80", 200), ("evil.test", 421)):
            found = httpx.get(f"{url}/v7.0/images/search", params={"q": "boat"}, headers={"Host": host})
            assert found.status_code == status


def test_serve_allowed_host_that_is_none_is_refused(invoke: Invoke, folder: Path) -> None:
    result = invoke("serve", "--folder", str(folder), "--port", "0", "--allowed-host", "http://images.test/")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--allowed-host" in result.stderr
    assert "http://images.test/" in result.stderr


def test_serve_and_doctor_report_files_that_are_left_out(invoke: Invoke, folder: Path, tmp_path: Path) -> None:
    """With the reason; hostile names stay text."""
    (tmp_path / "good.png").write_bytes((folder / "tree.png").read_bytes())
    (tmp_path / "broken\x1b[31m.png").write_bytes(b"no picture")
    result = invoke("doctor", "--folder", str(tmp_path))
    assert result.exit_code == 0
    assert f"1 picture in {tmp_path}" in result.stdout
    assert "1 file was left out" in result.stdout
    assert "broken\\x1b[31m.png: " in result.stdout
    with serving("--folder", str(tmp_path)) as (_, process):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert errors.startswith("1 file was left out:\n  broken\\x1b[31m.png: ")


def test_serve_says_that_a_folder_is_empty(tmp_path: Path) -> None:
    with serving("--folder", str(tmp_path)) as (_, process):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert errors == "The folder has no picture that can be read.\n"


def test_the_doctor_finds_all_well(invoke: Invoke, deep_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", deep_url)
    monkeypatch.setenv("BING_IMAGES_KEY", KEY)
    result = invoke("doctor")
    assert result.exit_code == 0
    assert "BAD" not in result.stdout
    assert KEY not in result.stdout + result.stderr
    assert re.search(r"^ok +a search +\"cat\" found 3 images in", result.stdout, re.MULTILINE)
    assert re.search(r"^ok +extra cli +click \d", result.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("variables", "code", "words"),
    [
        ({"BING_IMAGES_URL": "http://127.0.0.1:9"}, 4, "cannot be reached"),
        ({"BING_IMAGES_KEY_FILE": "/no/such/file"}, 2, "cannot be read"),
        ({"BING_IMAGES_URL": "https://api.bing.microsoft.com"}, 2, "need a key"),
        ({"BING_IMAGES_URL": "http://name:password@127.0.0.1:9"}, 2, "holds a user"),
    ],
)
def test_the_doctor_says_what_is_wrong(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], code: int, words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = invoke("doctor")
    assert result.exit_code == code
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("BAD")]
    assert words in line
    assert "password@" not in result.stdout


def test_the_doctor_notes_a_service_that_is_none(
    invoke: Invoke, evil_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", f"{evil_url}/elsewhere")
    result = invoke("doctor")
    assert result.exit_code == 4
    assert re.search(r"^BAD +a search", result.stdout, re.MULTILINE)


def test_the_doctor_says_what_to_install() -> None:
    """The version of a package that is not there cannot be found, so neither can the catalogue be used."""
    code = (
        "import importlib.metadata as m, sys; sys.modules['starlette'] = None; real = m.version\n"
        "def version(name):\n    if name == 'starlette': raise m.PackageNotFoundError(name)\n    return real(name)\n"
        "m.version = version\nfrom bing_images_async.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 2
    assert 'without starlette: pip install "bing-images-async[emulator]"' in done.stdout


def test_the_doctor_looks_at_the_local_catalogue(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bing_images_async.emulator import local, synthetic

    monkeypatch.setattr(local, "open_openmoji", lambda progress: synthetic(50))
    monkeypatch.setenv("BING_IMAGES_CACHE", str(tmp_path))
    assert "not built yet" in invoke("doctor").stdout
    (tmp_path / "openmoji-0.sqlite3").write_bytes(b"x" * 2_000_000)
    assert "openmoji-0.sqlite3 (2.0 MB)" in invoke("doctor").stdout
