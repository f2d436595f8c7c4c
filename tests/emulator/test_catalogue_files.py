"""Files in a folder that are no regular pictures, names in all scripts, and files that change after indexing."""

import io
import os
import socket
import struct
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from service_kit import client

from bing_images_async.emulator import Filters, open_folder
from bing_images_async.emulator.catalogue.sqlite_catalogue import SqliteCatalogue

NOW = datetime(2026, 3, 1, tzinfo=UTC)
posix = pytest.mark.skipif(os.name != "posix", reason="FIFOs, sockets and links of POSIX")

Opened = Callable[[], SqliteCatalogue]


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """A folder with one picture."""
    root = tmp_path / "album"
    root.mkdir()
    picture(root / "boat.png")
    return root


@pytest.fixture
def opened(album: Path, tmp_path: Path) -> Iterator[Opened]:
    """Opens the album; all catalogues are closed in the end."""
    made: list[SqliteCatalogue] = []

    def open_it() -> SqliteCatalogue:
        made.append(open_folder(album, tmp_path / "cache"))
        return made[-1]

    yield open_it
    for catalogue in made:
        catalogue.close()


def picture(file: Path, color: str = "red") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30), color).save(file)


def found(catalogue: SqliteCatalogue, text: str, language: str = "en") -> list[str]:
    hits = catalogue.search(text, language=language, filters=Filters(), offset=0, limit=50, now=NOW)
    return [one.names["en"] for one in hits.pictures]


def left_out(catalogue: SqliteCatalogue) -> dict[str, str]:
    return {file.path: file.reason for file in catalogue.left_out}


# --- files that are no regular files of the folder


@posix
@pytest.mark.parametrize("name", ["pipe.png", "pipe.svg", "pipe.jpg"])
def test_open_folder_with_a_fifo_leaves_it_out(opened: Opened, album: Path, name: str) -> None:
    """Opening a FIFO for reading would wait for ever."""
    os.mkfifo(album / name)
    assert left_out(opened()) == {name: "it is not a regular file"}


@posix
def test_open_folder_with_a_socket_or_device_leaves_it_out(opened: Opened, album: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(album / "socket.png"))
        (album / "device.png").symlink_to("/dev/zero")
        assert left_out(opened()) == {
            "device.png": "the link leads out of the folder",
            "socket.png": "it is not a regular file",
        }


@posix
def test_open_folder_with_links_follows_those_that_stay_inside(opened: Opened, album: Path, tmp_path: Path) -> None:
    picture(tmp_path / "outside.png")
    picture(album / "sub" / "inside.png")
    (album / "absolute.png").symlink_to(tmp_path / "outside.png")
    (album / "relative.png").symlink_to("../outside.png")
    (album / "through.png").symlink_to("sub/../../outside.png")
    (album / "broken.png").symlink_to("nothing.png")
    (album / "loop.png").symlink_to("loop.png")
    (album / "folder").symlink_to(tmp_path)
    (album / "good.png").symlink_to("sub/inside.png")
    catalogue = opened()
    assert sorted(found(catalogue, "site:x")) == ["boat", "good", "inside"]
    assert set(left_out(catalogue)) == {"absolute.png", "relative.png", "through.png", "broken.png", "loop.png"}


@posix
def test_open_folder_with_foreign_sidecars_does_not_read_them(opened: Opened, album: Path, tmp_path: Path) -> None:
    """A FIFO would wait, and a link would publish words of another file."""
    (tmp_path / "secret.txt").write_text("password")
    (album / "boat.txt").symlink_to(tmp_path / "secret.txt")
    os.mkfifo(album / "boat.json")
    catalogue = opened()
    assert (found(catalogue, "boat"), found(catalogue, "password")) == (["boat"], [])


@posix
def test_content_of_a_file_that_became_a_fifo_or_link_is_not_read(opened: Opened, album: Path, tmp_path: Path) -> None:
    """The check is made at each access."""
    picture(album / "bus.png")
    catalogue = opened()
    (album / "boat.png").unlink()
    os.mkfifo(album / "boat.png")
    Path(album / "bus.png").replace(tmp_path / "bus.png")
    (album / "bus.png").symlink_to(tmp_path / "bus.png")
    for one in catalogue.search("site:x", language="en", filters=Filters(), offset=0, limit=9, now=NOW).pictures:
        with pytest.raises(FileNotFoundError):
            catalogue.content(one)


@pytest.mark.parametrize("suffix", ["heic", "HEIF", "jxl", "cr2", "psd"])
def test_open_folder_with_an_unsupported_format_says_so(opened: Opened, album: Path, suffix: str) -> None:
    (album / f"photo.{suffix}").write_bytes(b"anything")
    (album / "notes.md").write_text("no picture, and not mentioned")
    assert left_out(opened()) == {f"photo.{suffix}": f"the format {suffix.lower()} is not supported"}


def test_report_lists_what_was_left_out_up_to_a_limit(opened: Opened, album: Path) -> None:
    for number in range(5):
        (album / f"broken{number}.jpg").write_bytes(b"\xff\xd8\xff")
    report = opened().report(most=2)
    assert report[0] == "5 files were left out:"
    assert [line.partition(":")[0] for line in report[1:3]] == ["  broken0.jpg", "  broken1.jpg"]
    assert report[3:] == ["  and 3 more"]


def test_report_of_a_folder_without_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    catalogue = open_folder(tmp_path / "album", tmp_path / "cache")
    assert catalogue.report() == ["The folder has no picture that can be read."]
    catalogue.close()


def test_report_of_a_folder_of_good_pictures_is_empty(opened: Opened) -> None:
    assert opened().report() == []


# --- names


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("हिन्दी", "हिन्दी"),
        ("নদী", "নদী"),
        ("தமிழ்", "தமிழ்"),
        ("קָפֶה", "קפה"),
        ("قَهْوَة", "قهوة"),
        ("Grüße aus Wien", "Grüße"),
        ("Grüße aus Wien", "grusse"),
        ("été", "été"),
        ("été", "ete"),
        ("Ångström", "ångström"),
        ("한국", "한국"),
        ("がぎ", "ガギ"),
        ("Việt Nam", "việt"),
        ("naïve_café", "cafe"),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("query_form", ["NFC", "NFD"])
def test_search_for_a_file_name_finds_it_in_any_form(
    opened: Opened, album: Path, name: str, query: str, form: str, query_form: str
) -> None:
    """Names as macOS writes them are decomposed; combining marks belong to words."""
    picture(album / f"{unicodedata.normalize(form, name)}.png")
    (expected,) = found(opened(), unicodedata.normalize(query_form, query))
    assert expected == unicodedata.normalize("NFC", name).replace("_", " ")


@pytest.mark.parametrize("query", ["हन्द", "ह न द", "हिनदी"])
def test_search_without_the_combining_marks_finds_nothing(opened: Opened, album: Path, query: str) -> None:
    """They are letters: another vowel is another word."""
    picture(album / "हिन्दी.png")
    assert found(opened(), query) == []


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_search_for_words_of_sidecars_finds_the_picture(opened: Opened, album: Path, form: str) -> None:
    (album / "boat.txt").write_text(unicodedata.normalize(form, "Grüße, पानी"), "utf-8-sig")
    catalogue = opened()
    assert found(catalogue, "Grüße") == found(catalogue, "पानी") == ["boat"]


def test_json_sidecar_of_more_than_4000_letters_is_read(opened: Opened, album: Path) -> None:
    (album / "boat.json").write_text('{"name": "Dinghy", "comment": "' + "x" * 9_000 + '"}')
    assert found(opened(), "dinghy") == ["Dinghy"]


# --- files that change


def replaced_by_text(file: Path) -> None:
    file.write_bytes(b"<html>" + b" " * (file.stat().st_size - 6))


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-30])


def replaced_by_another_format(file: Path) -> None:
    out = io.BytesIO()
    Image.new("RGB", (40, 30)).save(out, "GIF")
    file.write_bytes(out.getvalue().ljust(file.stat().st_size, b"\0"))


@pytest.mark.parametrize("change", [Path.unlink, replaced_by_text, truncated, replaced_by_another_format])
@pytest.mark.parametrize("keeps_time", [False, True])
@pytest.mark.parametrize("name", ["boat.png", "flag.svg"])
@pytest.mark.anyio
async def test_content_and_thumbnail_of_a_changed_file_are_404(
    opened: Opened, album: Path, change: Callable[[Path], None], keeps_time: bool, name: str
) -> None:
    """Also where a thumbnail was made before; nothing else is served in its place."""
    file = album / name
    (album / "flag.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><path d="M0 0h9v9z"/></svg>'
    )
    status = file.stat()
    catalogue = opened()
    query = file.stem
    async with client(catalogue) as one:
        image = (await one.get("images/search", params={"q": query})).json()["value"][0]
        urls = [image["contentUrl"], image["thumbnailUrl"]]
        assert [(await one.get(url)).status_code for url in urls] == [200, 200]
        change(file)
        if keeps_time and file.exists():
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        same_size = file.exists() and file.stat().st_size == status.st_size
        codes = [(await one.get(url)).status_code for url in urls]
        assert codes == ([404, 200] if keeps_time and same_size else [404, 404])
        details = await one.get("images/details", params={"id": image["imageId"], "cal": 0.5})
        assert details.status_code == (200 if codes[1] == 200 and change is replaced_by_another_format else 400)


@pytest.mark.anyio
async def test_svg_original_has_its_media_type_and_a_policy(opened: Opened, album: Path) -> None:
    """A browser that opens it runs nothing and loads nothing."""
    text = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 3"><script>alert(1)</script></svg>'
    (album / "flag.svg").write_text(text)
    async with client(opened()) as one:
        image = (await one.get("images/search", params={"q": "flag"})).json()["value"][0]
        reply = await one.get(image["contentUrl"])
    policy = reply.headers["content-security-policy"]
    assert (reply.headers["content-type"], reply.text) == ("image/svg+xml", text)
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "script" not in policy


@pytest.mark.anyio
async def test_png_original_has_no_policy(opened: Opened) -> None:
    async with client(opened()) as one:
        image = (await one.get("images/search", params={"q": "boat"})).json()["value"][0]
        reply = await one.get(image["contentUrl"])
    assert (reply.headers["content-type"], "content-security-policy" in reply.headers) == ("image/png", False)


def damaged_exif() -> bytes:
    """A JPEG whose EXIF directory ends before its entries."""
    out = io.BytesIO()
    Image.new("RGB", (40, 30)).save(out, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHI", 9, 270, 2, 99))
    return out.getvalue()


def test_open_folder_with_damaged_metadata_warns_nobody(
    opened: Opened, album: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Pillow's warnings do not reach stderr, and the picture is in the catalogue."""
    (album / "damaged.jpg").write_bytes(damaged_exif())
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        catalogue = opened()
    assert found(catalogue, "damaged") == ["damaged"]
    assert capfd.readouterr().err == ""
