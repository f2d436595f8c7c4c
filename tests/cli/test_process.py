"""The command as a process: exit codes, pipes, signals, terminals, missing extras."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest
from support.processes import start

from bing_images_async.cli.progress_bar import ProgressBar, StoppedError
from bing_images_async.emulator import Profile, create_app, running_server, synthetic

Invoke = Any
Run = Any

COMMAND = [sys.executable, "-m", "bing_images_async"]
NOTICE = "No key and no URL are set"


@pytest.mark.parametrize(
    ("query", "code"),
    [("boat", 0), ("nothing", 1), ("400", 2), ("401", 3), ("403", 3), ("quota", 3), ("404", 4), ("410", 4), ("429", 4),
     ("500", 4), ("malformed", 4)],
)  # fmt: skip
def test_exit_codes(invoke: Invoke, evil_url: str, monkeypatch: pytest.MonkeyPatch, query: str, code: int) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", evil_url)
    result = invoke("search", query)
    assert result.exit_code == code
    assert bool(result.stdout) == (code == 0)
    assert len(result.stderr.splitlines()) == (code != 0)


def test_no_connection_is_four(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", "http://127.0.0.1:9")
    result = invoke("search", "boat")
    assert result.exit_code == 4
    assert "Check BING_IMAGES_URL" in result.stderr


def test_time_that_runs_out_is_four(invoke: Invoke, deep_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BING_IMAGES_URL", deep_url)
    result = invoke("search", "boat", "--timeout", "0.000001")
    assert result.exit_code == 4
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"BING_IMAGES_KEY": "k" * 32, "BING_IMAGES_KEY_FILE": "/x"}, "both set"),
        ({"BING_IMAGES_KEY_FILE": "/no/such/file"}, "cannot be read"),
        ({"BING_IMAGES_URL": "https://api.bing.microsoft.com"}, "need a key"),
        ({"BING_IMAGES_URL": "ftp://host"}, "BING_IMAGES_URL="),
        ({"BING_IMAGES_URL": "http://host.example", "BING_IMAGES_KEY": "k" * 32}, "anyone on the way can read it"),
    ],
)
def test_settings_that_cannot_be_are_two(
    invoke: Invoke, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = invoke("search", "boat")
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr
    assert "kkkk" not in result.stderr


def test_a_fault_of_our_own_is_one_line(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("bing_images_async.cli.search_command.card_of", broken)
    result = invoke("search", "boat", "--folder", str(folder))
    assert result.exit_code == 70
    assert "KeyError at test_process.py" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_reader_that_leaves_ends_it_quietly(deep_url: str) -> None:
    """More is written than a pipe holds; the reader takes one line."""
    with subprocess.Popen(
        [*COMMAND, "search", "boat", "--limit", "300", "--jsonl"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "BING_IMAGES_URL": deep_url},
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["imageId"]
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 0


def test_nobody_who_reads_at_all_is_no_error(folder: Path) -> None:
    """The output fits into a buffer, which Python would write once more at the end."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "search", "boat", "--folder", str(folder)],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": ""},
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "search", "boat", "--folder", str(folder), "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 4
    assert done.stderr.decode().splitlines() == ["Error: No space left on device"]


def test_a_local_service_by_name_needs_no_notice(invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`BING_IMAGES_URL=local:` asks for what an empty environment falls back to."""
    monkeypatch.setenv("BING_IMAGES_URL", "local:")
    result = invoke("search", "bird", "--count", "1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert invoke("search", "paper boat", "--folder", str(folder)).exit_code == 0
    monkeypatch.delenv("BING_IMAGES_URL")
    assert NOTICE in invoke("search", "bird", "--count", "1").stderr


def test_ctrl_c_is_130_and_says_nothing() -> None:
    """A service that never answers is asked; the signal comes once the connection is there."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = start(
            [*COMMAND, "search", "boat"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "BING_IMAGES_URL": url},
        )
        connection, _ = listener.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=30)
    assert (process.returncode, output, errors) == (130, b"", b"")


def test_ctrl_c_ends_the_building_of_an_index(tmp_path: Path) -> None:
    """The signal comes while the bar shows progress: the thread that builds is told, and leaves no file behind."""
    master, slave = pty.openpty()
    command = [*COMMAND, "search", "cat"]
    environment = {**os.environ, "TERM": "xterm", "BING_IMAGES_CACHE": str(tmp_path)}
    with start(command, stdout=subprocess.PIPE, stderr=slave, env=environment) as process:
        os.close(slave)
        seen = b""
        while not re.search(rb"\d/\d{4}", seen):
            seen += os.read(master, 4_096)
        process.send_signal(signal.SIGINT)
        seen += _rest(master)
        assert process.stdout is not None
        assert process.stdout.read() == b""
    assert process.returncode == 130
    assert b"Traceback" not in seen
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l")  # the cursor is shown again
    assert list(tmp_path.iterdir()) == []


def test_a_bar_that_has_ended_stops_whoever_reports() -> None:
    with ProgressBar("x") as bar:
        bar.report(1, 2)
    with pytest.raises(StoppedError):
        bar.report(2, 2)


def _rest(master: int) -> bytes:
    """What is still to be read from a terminal, until nobody writes to it any more."""
    seen = b""
    while True:
        try:
            part = os.read(master, 65_536)
        except OSError:  # Linux: the other end is closed
            part = b""
        if not part:
            os.close(master)
            return seen
        seen += part


def on_terminal(*arguments: str, columns: int = 80, **variables: str) -> tuple[str, int]:
    """What somebody sees who types the command into a terminal of this width, and the exit code."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", **variables}
    with subprocess.Popen([*COMMAND, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        seen = _rest(master)
    return seen.decode().replace("\r\n", "\n"), process.returncode


def _plain(text: str) -> str:
    return re.sub(r"\x1b\]8;[^\x1b]*\x1b\\|\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_table_fits_the_terminal(deep_url: str, columns: int) -> None:
    seen, code = on_terminal("search", "boat", columns=columns, BING_IMAGES_URL=deep_url)
    assert code == 0
    table = _plain(seen).split("\n\n")[0].splitlines()
    assert len(table) >= 30
    assert max(map(len, table)) <= columns


@pytest.mark.parametrize("value", ["0", "00", "-1", "", "x", "1", "19", "80"])
def test_table_is_printed_whatever_columns_says(deep_url: str, value: str) -> None:
    """A width that no table fits is ignored: the size of the terminal counts."""
    seen, code = on_terminal("search", "boat", columns=80, BING_IMAGES_URL=deep_url, COLUMNS=value)
    table = [line for line in _plain(seen).splitlines() if line.strip()]
    assert code == 0
    assert table[0].split()[:2] == ["Name", "Size"]
    assert len(table) >= 30


@pytest.mark.parametrize("columns", [40, 60, 77, 200])
def test_message_on_a_terminal_breaks_between_words(tmp_path: Path, evil_url: str, columns: int) -> None:
    """An option is never split, so it can be copied."""
    (tmp_path / "out.jsonl").write_text("x")
    (tmp_path / "q.txt").write_text("cat\n")
    seen, code = on_terminal(
        "bulk", str(tmp_path / "q.txt"), "--output", str(tmp_path / "out.jsonl"), columns=columns,
        BING_IMAGES_URL=evil_url,
    )  # fmt: skip
    lines = seen.splitlines()
    assert code == 2
    assert max((len(line) for line in lines if "/" not in line), default=0) <= columns
    assert [word for word in seen.split() if word.startswith("--")] == ["--resume", "--overwrite", "--help)"]
    assert " ".join(seen.split()).startswith("Error: ")


def test_a_terminal_gets_links_bold_heads_and_a_hint(deep_url: str) -> None:
    seen, _ = on_terminal("search", "boat", BING_IMAGES_URL=deep_url)
    assert "\x1b[1m" in seen
    assert f";{deep_url}/content/" in seen
    assert "--html sheet.html" in " ".join(seen.split())


def test_no_color_is_respected(deep_url: str) -> None:
    seen, _ = on_terminal("search", "boat", BING_IMAGES_URL=deep_url, NO_COLOR="1")
    assert "\x1b" not in seen


def test_the_index_is_built_under_a_progress_bar(folder: Path, tmp_path: Path) -> None:
    cache = str(tmp_path)
    first, _ = on_terminal("search", "boat", "--folder", str(folder), BING_IMAGES_CACHE=cache)
    again, _ = on_terminal("search", "boat", "--folder", str(folder), BING_IMAGES_CACHE=cache)
    assert "4/4" in first
    assert "/4" not in again


def test_a_hostile_name_does_nothing_to_a_terminal(evil_url: str) -> None:
    seen, code = on_terminal("search", "attack", BING_IMAGES_URL=evil_url)
    assert code == 0
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", _plain(seen))
    assert "javascript:" not in seen


def test_in_a_pipe_texts_are_whole_and_plain(run: Run, folder: Path, tmp_path: Path) -> None:
    name = "boat " + "with a long name " * 9
    (tmp_path / f"{name.strip()}.png").write_bytes(next(folder.glob("*.png")).read_bytes())
    done = run("search", "boat", "--folder", str(tmp_path))
    assert name.strip() in done.stdout.decode().lower()
    assert b"\x1b" not in done.stdout
    assert done.stderr == b""


def test_without_key_and_url_one_line_says_who_answers(
    invoke: Invoke, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bing_images_async.emulator import local, synthetic

    monkeypatch.setattr(local, "open_openmoji", lambda progress: synthetic(50))
    result = invoke("search", "boat", "--jsonl")
    assert result.exit_code == 0
    assert result.stdout.startswith("{")
    assert result.stderr.startswith(NOTICE)
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("package", ["click", "rich"])
def test_without_the_extra_one_line_says_what_to_install(package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None; from bing_images_async.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert package in done.stderr
    assert 'pip install "bing-images-async[cli]"' in done.stderr


@pytest.mark.parametrize("arguments", [["search", "cat"], ["serve"], ["details", "--image-url", "http://x/"]])
def test_without_the_emulator_one_line_says_what_to_install(arguments: list[str]) -> None:
    code = "import sys; sys.modules['starlette'] = None; from bing_images_async.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert 'pip install "bing-images-async[emulator]"' in done.stderr


def test_without_the_emulator_a_service_can_still_be_asked(evil_url: str) -> None:
    code = "import sys; sys.modules['starlette'] = None; from bing_images_async.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "search", "boat"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "BING_IMAGES_URL": evil_url},
    )
    assert done.returncode == 0


def test_verbose_prints_retries_and_their_reason(run: Run, evil_url: str) -> None:
    """On stderr; stdout has the data only."""
    environment = {**os.environ, "BING_IMAGES_URL": evil_url}
    done = run("search", "500", "--verbose", env=environment)
    text = done.stderr.decode()
    assert (done.returncode, done.stdout) == (4, b"")
    assert re.search(r"^Call \d+, attempt 1: 500, \d+\.\d s", text, re.MULTILINE)
    assert re.search(r"^Call \d+: attempt 2 follows in \d+\.\d s, after ServerError\.$", text, re.MULTILINE)
    quiet = run("search", "500", env=environment)
    assert len(quiet.stderr.splitlines()) == 1


def test_verbose_prints_throttled_requests_and_pauses(run: Run) -> None:
    with running_server(create_app(synthetic(50), profile=Profile(qps=3))) as url:
        environment = {**os.environ, "BING_IMAGES_URL": url}
        queries = "".join(f"boat {number}\n" for number in range(8)).encode()
        done = run("bulk", "-", "--rate", "none", "--verbose", input=queries, env=environment)
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 8
    assert re.search(rb"^Call \d+: throttled by the service; no request for \d+\.\d s\.$", done.stderr, re.MULTILINE)
    assert re.search(rb"^Rate limit: \d+\.\d requests/s\.$", done.stderr, re.MULTILINE)


def test_verbose_prints_waits_for_the_rate_limit(run: Run, evil_url: str) -> None:
    environment = {**os.environ, "BING_IMAGES_URL": evil_url}
    done = run("bulk", "-", "--rate", "5", "--verbose", input=b"a\nb\nc\n", env=environment)
    assert done.returncode == 0
    assert re.search(rb"^Call \d+, attempt 1: 200, .*waited 0\.\d s for rate limit", done.stderr, re.MULTILINE)


@pytest.mark.parametrize(("level", "shown"), [("info", False), ("debug", True)])
def test_log_variable_writes_to_stderr(run: Run, folder: Path, level: str, shown: bool) -> None:
    environment = {**os.environ, "BING_IMAGES_LOG": level}
    done = run("search", "boat", "--folder", str(folder), env=environment)
    assert done.returncode == 0
    assert (b"DEBUG bing_images_async: AttemptFinished" in done.stderr) == shown
