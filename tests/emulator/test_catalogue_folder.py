"""A folder of one's own pictures as a catalogue. The pictures are made here, pixel by pixel."""

import io
import json
import os
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, TiffImagePlugin

from bing_images_async.emulator.catalogue import folder as module
from bing_images_async.emulator.catalogue.factories import SqliteCatalogue, open_folder
from bing_images_async.emulator.catalogue.picture import Filters, Hits, Picture

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20" fill="#d22f27"/></svg>'


def find(catalogue: SqliteCatalogue, text: str, language: str = "en", **filters: Any) -> Hits:
    """Search with the usual arguments."""
    return catalogue.search(text, language=language, filters=Filters(**filters), offset=0, limit=50, now=NOW)


def one(catalogue: SqliteCatalogue, text: str) -> Picture:
    """The only picture found."""
    (picture,) = find(catalogue, text).pictures
    return picture


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Pictures of several kinds, and things that are none."""
    root = tmp_path / "album"
    (root / "holidays" / "Lake Garda").mkdir(parents=True)
    (root / ".hidden").mkdir()
    Image.new("RGB", (640, 480), "#2458c8").save(root / "holidays" / "Lake Garda" / "IMG_blueBoat.jpg")
    Image.new("RGBA", (100, 200), (0, 160, 60, 0)).save(root / "leaf.png")
    Image.new("RGB", (50, 50), "white").save(root / "page.webp")
    frames = [Image.new("RGB", (30, 30), color) for color in ("red", "blue")]
    frames[0].save(root / "blink.gif", save_all=True, append_images=frames[1:])
    (root / "flag.svg").write_text(SVG)
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff not really")
    (root / "notes.md").write_text("no picture")
    Image.new("RGB", (9, 9)).save(root / ".hidden" / "secret.png")
    Image.new("RGB", (9, 9)).save(root / ".private.png")
    return root


@pytest.fixture
def opened(album: Path, tmp_path: Path) -> Any:
    """Opens the album, as often as one likes; all are closed in the end."""
    made: list[SqliteCatalogue] = []

    def open_it(**given: Any) -> SqliteCatalogue:
        made.append(open_folder(album, tmp_path / "cache", **given))
        return made[-1]

    yield open_it
    for catalogue in made:
        catalogue.close()


Opened = Callable[..., SqliteCatalogue]


def test_open_folder_with_other_files_has_the_readable_pictures(opened: Opened) -> None:
    """Hidden ones and other files are not; unreadable ones are counted."""
    catalogue = opened()
    assert (len(catalogue), catalogue.skipped, find(catalogue, "secret").total) == (5, 1, 0)


def test_search_for_names_and_folders_finds_the_file(opened: Opened) -> None:
    """Also by words that were written together."""
    catalogue = opened()
    assert {one(catalogue, text).names["en"] for text in ("boat", "blue boat", "garda", "holidays")} == {
        "IMG blue Boat"
    }


def test_open_folder_of_all_formats_describes_the_pictures(opened: Opened) -> None:
    """Sides, bytes, format, kind, colour."""
    catalogue = opened()
    found = {text: one(catalogue, text) for text in ("boat", "leaf", "page", "blink", "flag")}
    assert {
        text: (p.width, p.height, p.encoding_format, p.image_type, p.color, p.is_transparent)
        for text, p in found.items()
    } == {
        "boat": (640, 480, "jpeg", "Clipart", "Blue", False),
        "leaf": (100, 200, "png", "Clipart", "White", True),
        "page": (50, 50, "webp", "Line", "White", False),
        "blink": (30, 30, "gif", "AnimatedGif", "Red", False),
        "flag": (1024, 512, "svg", "Clipart", "Red", False),
    }


def test_content_of_a_picture_is_the_file(opened: Opened, album: Path) -> None:
    """Byte for byte, and as long as was said."""
    catalogue = opened()
    for text, name in (("leaf", "leaf.png"), ("flag", "flag.svg"), ("blink", "blink.gif")):
        picture = one(catalogue, text)
        data = catalogue.content(picture)
        assert (data, picture.content_size) == ((album / name).read_bytes(), len(data))


@pytest.mark.parametrize("text", ["boat", "leaf", "page", "blink", "flag"])
def test_thumbnail_of_each_format_has_the_size(opened: Opened, text: str) -> None:
    """Vector drawings and animations too."""
    catalogue = opened()
    data = catalogue.thumbnail(one(catalogue, text), width=20, height=20, crop=4, padding=True)
    assert Image.open(io.BytesIO(data)).size == (20, 20)


def test_similar_to_an_upload_is_its_own_file(opened: Opened, album: Path) -> None:
    """By the perceptual hash."""
    chance = Image.effect_noise((64, 64), 90).convert("RGB")
    chance.resize((256, 256)).save(album / "noise.png")
    catalogue = opened()
    data = catalogue.thumbnail(one(catalogue, "noise"), width=120, height=None, crop=None, padding=True)
    assert catalogue.similar(catalogue.fingerprint(data), limit=1)[0].names["en"] == "noise"


def test_open_folder_again_reads_only_changed_files(
    opened: Opened, album: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By path, time and size; what is gone is gone."""
    read: list[str] = []
    plain = module._read

    def spy(root: Path, entry: module.FolderFile, renderer: Any) -> Any:
        read.append(entry.path)
        return plain(root, entry, renderer)

    monkeypatch.setattr(module, "_read", spy)
    opened()
    assert len(read) == 6
    read.clear()
    opened()
    assert read == []
    Image.new("RGB", (11, 11), "red").save(album / "leaf.png")
    Image.new("RGB", (12, 12), "red").save(album / "new.png")
    (album / "page.webp").unlink()
    catalogue = opened()
    assert sorted(read) == ["broken.jpg", "leaf.png", "new.png"]
    assert (one(catalogue, "leaf").width, one(catalogue, "new").width, find(catalogue, "page").total) == (11, 12, 0)


def test_open_folder_with_a_changed_sidecar_reads_the_picture_again(opened: Opened, album: Path) -> None:
    """Its words are the picture's."""
    opened()
    (album / "leaf.txt").write_text("maple, autumn colours")
    assert one(opened(), "maple").names["en"] == "leaf"


def test_json_sidecar_of_a_picture_sets_names_keywords_and_licence(opened: Opened, album: Path) -> None:
    """In several languages."""
    notes = {
        "name": {"en": "Oak leaf", "de": "Eichenblatt", "xx": "?"},
        "keywords": ["tree", "park", 7],
        "license": "Attribution",
        "attribution": "A. Painter",
    }
    (album / "leaf.png.json").write_text(json.dumps(notes))
    catalogue = opened()
    leaf = find(catalogue, "Eichenblatt", "de").pictures[0]
    assert dict(leaf.names) == {"en": "Oak leaf", "de": "Eichenblatt"}
    assert (leaf.keywords, leaf.creative_commons, leaf.attribution) == (("tree", "park"), "Attribution", "A. Painter")
    assert find(catalogue, "leaf", license="Any").total == 1


@pytest.mark.parametrize("text", ["{", "[1]", '"text"', "", '{"name": 7, "keywords": {}, "license": "Mine"}'])
def test_json_sidecar_that_is_invalid_is_ignored(opened: Opened, album: Path, text: str) -> None:
    """The picture is there all the same, and no licence is made up."""
    (album / "leaf.json").write_text(text)
    assert one(opened(), "leaf").creative_commons == ""


def test_open_folder_without_a_licence_states_none(opened: Opened) -> None:
    """We do not know, so we do not say."""
    assert find(opened(), "leaf", license="Any").total == 0


def test_exif_of_a_picture_sets_words_and_orientation(opened: Opened, album: Path) -> None:
    """Description, Windows' keywords, artist; a picture on its side is turned."""
    exif = Image.Exif()
    exif[0x010E] = "lighthouse at dawn"
    exif[0x9C9E] = "coast;north sea".encode("utf-16-le")
    exif[0x013B] = "B. Camera"
    exif[0x0112] = 6
    Image.new("RGB", (80, 40), "red").save(album / "DSC01.jpg", exif=exif)
    catalogue = opened()
    (picture,) = (one(catalogue, text) for text in ("lighthouse",))
    assert one(catalogue, '"north sea"') == picture
    assert (picture.width, picture.height, picture.attribution) == (40, 80, "B. Camera")
    data = catalogue.thumbnail(picture, width=None, height=40, crop=None, padding=True)
    assert Image.open(io.BytesIO(data)).size == (20, 40)


def test_iptc_keywords_of_a_picture_are_searchable(opened: Opened, album: Path) -> None:
    """As picture agencies write them."""
    entry = b"\x1c\x02\x19" + (8).to_bytes(2, "big") + b"windmill"
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[33723] = entry
    tags.tagtype[33723] = 7
    Image.new("RGB", (20, 20), "red").save(album / "agency.tif", tiffinfo=tags)
    assert one(opened(), "windmill").names["en"] == "agency"


def test_open_folder_with_a_decompression_bomb_leaves_it_out(opened: Opened, album: Path) -> None:
    """A few hundred bytes that want to be 2.5 gigapixels."""
    header = (50_000).to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    chunks = b"".join(
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
        for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 9_999)), (b"IEND", b""))
    )
    (album / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert opened().skipped == 2


@pytest.mark.parametrize(
    "text",
    ["", "<svg/>", '<svg viewBox="0 0 1 100000"></svg>', '<svg viewBox="0 0 0 0"/>', "<svg viewBox='0 0 9 9'><g>"],
)
def test_open_folder_with_an_unusable_svg_leaves_it_out(opened: Opened, album: Path, text: str) -> None:
    """Empty, without a size, or a bar a hundred thousand times as high as wide."""
    (album / "bad.svg").write_text(text)
    assert opened().skipped == 2


def test_search_for_names_in_any_script_finds_the_file(opened: Opened, album: Path) -> None:
    """Other scripts, quotes, no letters at all, bytes that are no UTF-8."""
    for name in ('Käse\'s "Brot".png', "猫の写真.png", "---.png"):
        Image.new("RGB", (9, 9)).save(album / name)
    if os.name == "posix":
        Image.new("RGB", (9, 9)).save(os.fsencode(album) + b"/bad\xff.png")
    catalogue = opened()
    assert [find(catalogue, text).total for text in ("kase", "猫")] == [1, 1]
    assert "Picture" in {picture.names["en"] for picture in find(catalogue, "site:any").pictures}


def test_open_folder_that_is_empty_is_an_empty_catalogue(tmp_path: Path) -> None:
    """Which answers all the same."""
    (tmp_path / "none").mkdir()
    catalogue = open_folder(tmp_path / "none", tmp_path / "cache")
    assert (len(catalogue), find(catalogue, "cat").total, dict(catalogue.topics("en"))) == (0, 0, {})
    catalogue.close()


def test_open_folder_that_is_missing_raises(tmp_path: Path) -> None:
    """Before anything is written."""
    with pytest.raises(NotADirectoryError, match="no folder of pictures"):
        open_folder(tmp_path / "missing", tmp_path / "cache")
    assert list(tmp_path.iterdir()) == []


def test_content_of_a_removed_file_raises(opened: Opened, album: Path) -> None:
    """The service turns it into its own answer."""
    catalogue = opened()
    leaf = one(catalogue, "leaf")
    (album / "leaf.png").unlink()
    with pytest.raises(OSError, match=r"leaf\.png"):
        catalogue.content(leaf)
