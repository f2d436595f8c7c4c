"""The catalogue's file: built once, never half there, built anew when it must be."""

import sqlite3
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bing_images_async.emulator.catalogue import factories as module, index_file as store
from bing_images_async.emulator.catalogue.factories import SqliteCatalogue, open_openmoji
from bing_images_async.emulator.catalogue.picture import Filters, Hits

CODES = ("1F408", "1F415", "1F34B", "E0C4", "1F44D", "1F44D-1F3FD")
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def opened(cache: Path, **given: object) -> SqliteCatalogue:
    """A small catalogue."""
    return open_openmoji(cache, only=CODES, **given)  # type: ignore[arg-type]  # **given


def find(catalogue: SqliteCatalogue, text: str) -> Hits:
    """Search with the usual arguments."""
    return catalogue.search(text, language="en", filters=Filters(), offset=0, limit=9, now=NOW)


def built_file(cache: Path) -> Path:
    """Builds a catalogue and gives the only file in its folder."""
    opened(cache).close()
    (file,) = cache.iterdir()
    return file


def test_open_openmoji_again_does_not_build(tmp_path: Path) -> None:
    """Progress is told while building, and there is none the second time."""
    told: list[tuple[int, int]] = []
    for _ in range(2):
        opened(tmp_path, progress=lambda done, total: told.append((done, total))).close()
    assert told == [(0, 6), (6, 6)]


def test_open_openmoji_twice_has_equal_pictures(tmp_path: Path) -> None:
    """Ids, sizes, grounds and all."""
    made = [opened(tmp_path / name, today=NOW) for name in ("a", "b")]
    first, second = (find(each, "site:any").pictures for each in made)
    assert first == second
    for each in made:
        each.close()


def test_open_openmoji_on_another_day_moves_dates(tmp_path: Path) -> None:
    """So that there are fresh pictures a year from now, without building anew."""
    dates = []
    for today in (NOW, NOW + timedelta(days=365)):
        made = opened(tmp_path, today=today)
        dates.append(find(made, "cat").pictures[0].date_published)
        made.close()
    assert dates[1] - dates[0] == timedelta(days=365)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "hole", "scratch"])
def test_open_openmoji_with_a_damaged_index_rebuilds(tmp_path: Path, damage: str) -> None:
    """Whatever happened to it."""
    file = built_file(tmp_path)
    sound = file.read_bytes()
    middle = len(sound) // 2
    cells = len(sound) - 40 * 4096 + 3  # how many there are on some page
    file.write_bytes(
        {
            "empty": b"",
            "text": b"not a database" * 500,
            "cut": sound[:middle],
            "scratch": sound[:cells] + b"\xff\xff" + sound[cells + 2 :],
            "hole": sound[:4096] + b"\xff" * (middle - 4096) + sound[middle:],
        }[damage]
    )
    told: list[int] = []
    made = opened(tmp_path, progress=lambda done, _: told.append(done))
    assert (find(made, "lemon").total, told) == (1, [0, 6])
    made.close()


def test_open_openmoji_with_another_fingerprint_rebuilds(tmp_path: Path) -> None:
    """A file that was made by other versions is not used, even under this name."""
    file = built_file(tmp_path)
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE meta SET value = 'version=0' WHERE key = 'fingerprint'")
    connection.close()
    told: list[int] = []
    opened(tmp_path, progress=lambda done, _: told.append(done)).close()
    assert told[-1] == 6


def test_open_openmoji_of_another_version_has_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An older program on the same machine keeps its own file."""
    built_file(tmp_path)
    monkeypatch.setattr(module, "VERSION", 999)
    opened(tmp_path).close()
    assert len(list(tmp_path.iterdir())) == 2


def test_build_that_fails_leaves_no_file(tmp_path: Path) -> None:
    """An exception on the way, and the folder is as it was."""

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt(done, total)

    with pytest.raises(KeyboardInterrupt):
        opened(tmp_path, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_open_openmoji_without_a_writable_cache_uses_a_temporary_folder(tmp_path: Path) -> None:
    """A file stands where the folder should be: it is built elsewhere, for this time, and removed."""
    (tmp_path / "file").write_text("in the way")
    made = opened(tmp_path / "file" / "cache")
    assert find(made, "lemon").total == 1
    made.close()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_close_twice_does_nothing(tmp_path: Path) -> None:
    """The second time does nothing."""
    made = opened(tmp_path)
    made.close()
    made.close()


def test_build_in_two_processes_succeeds_in_both(tmp_path: Path) -> None:
    """Both get a whole catalogue, and one file remains."""
    program = textwrap.dedent(
        f"""
        from pathlib import Path
        from bing_images_async.emulator.catalogue.factories import open_openmoji
        print(len(open_openmoji(Path({str(tmp_path)!r}), only={CODES!r})))
        """
    )
    root = Path(module.__file__).parents[2]
    processes = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0].strip() for process in processes] == ["6", "6"]
    assert len(list(tmp_path.iterdir())) == 1


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Our own variable, then the platform's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("BING_IMAGES_CACHE", raising=False)
    assert store.cache_folder() == tmp_path / "xdg" / "bing-images"
    monkeypatch.setenv("BING_IMAGES_CACHE", str(tmp_path / "own"))
    assert store.cache_folder() == tmp_path / "own"


def test_cache_folder_without_a_home_is_temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In containers whose user is in no list."""

    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("XDG_CACHE_HOME", "BING_IMAGES_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setattr(store.tempfile, "gettempdir", lambda: str(tmp_path))
    assert store.cache_folder() == tmp_path / "bing-images"


def test_describe_without_a_name_uses_the_code_point(tmp_path: Path) -> None:
    """And is found by it."""
    made = opened(tmp_path)
    assert [p.names["en"] for p in find(made, "E0C4").pictures] == ["Symbol U+E0C4"]
    made.close()
