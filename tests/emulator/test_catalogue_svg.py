"""SVG files: the check before rendering, and the limits of the process that renders them."""

import base64
import io
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

from bing_images_async.emulator import open_folder
from bing_images_async.emulator.catalogue.svg_check import check_svg
from bing_images_async.emulator.catalogue.svg_renderer import SvgRenderer

NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
TURBULENCE = (
    '<filter id="f"><feTurbulence numOctaves="50000" baseFrequency="0.05"/></filter>'
    '<rect width="10" height="10" filter="url(#f)"/>'
)


def svg(body: str = '<rect width="10" height="10" fill="red"/>', attributes: str = 'viewBox="0 0 10 10"') -> bytes:
    return f"<svg {NAMESPACES} {attributes}>{body}</svg>".encode()


@cache
def png(width: int, height: int) -> bytes:
    """A black picture whose file is a thousandth of its pixels."""
    rows = zlib.compress((b"\0" + b"\0" * width * 3) * height, 9)
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big") for kind, body in chunks
    )


def embedded(data: bytes, kind: str = "image/png") -> str:
    return f'<image width="10" height="10" href="data:{kind};base64,{base64.b64encode(data).decode()}"/>'


def nested(depth: int, element: str = "g") -> str:
    return f"<{element}>" * depth + f"</{element}>" * depth


@pytest.fixture
def renderer() -> Iterator[SvgRenderer]:
    one = SvgRenderer(cpu_seconds=1)
    yield one
    one.close()


def drawn(renderer: SvgRenderer, data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(renderer.render(check_svg(data), 40, 40))).convert("RGBA")


@pytest.mark.parametrize(
    "body",
    [
        '<rect width="10" height="10" fill="red"/>',
        '<a href="https://example.com/"><rect width="10" height="10" fill="red"/></a>',
        '<defs><rect id="r" width="10" height="10" fill="red"/></defs><use xlink:href="#r"/>',
        embedded(png(2, 2)) + '<rect width="10" height="10" fill="red"/>',
        "<style>@import url(https://example.com/x.css); rect { fill: red }</style><rect width='10' height='10'/>",
        nested(126) + '<rect width="10" height="10" fill="red"/>',
        "<!-- --><?php ?><script>alert(1)</script><rect width='10' height='10' fill='red'/>",
    ],
    ids=["rect", "link", "use", "embedded", "style", "deep", "script"],
)
def test_svg_without_foreign_references_is_drawn(renderer: SvgRenderer, body: str) -> None:
    assert drawn(renderer, svg(body)).getpixel((20, 20)) == (255, 0, 0, 255)


def test_svg_without_a_namespace_is_drawn_and_checked(renderer: SvgRenderer) -> None:
    data = b'<svg viewBox="0 0 10 10"><a href="https://x.example"><rect width="10" height="10" fill="red"/></a></svg>'
    assert drawn(renderer, data).getpixel((20, 20)) == (255, 0, 0, 255)
    with pytest.raises(ValueError, match="refers to another file"):
        check_svg(data.replace(b"<rect", b'<image href="/etc/x.png"/><rect'))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1"])
def test_svg_in_any_declared_encoding_is_drawn(renderer: SvgRenderer, encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + svg('<desc>é</desc><rect width="10" height="10"/>').decode()
    assert drawn(renderer, text.encode(encoding)).getpixel((20, 20)) == (0, 0, 0, 255)


@pytest.mark.parametrize("element", ["g", "svg", "a", "clipPath", "unknown"])
@pytest.mark.parametrize("depth", [128, 400, 1_000, 50_000])
def test_check_svg_too_deep_is_refused(element: str, depth: int) -> None:
    """resvg overflows its stack at about 250 levels."""
    with pytest.raises(ValueError, match="nested more than 128 levels"):
        check_svg(svg(nested(depth, element)))


@pytest.mark.parametrize(
    "reference",
    [
        'image href="/etc/picture.png"',
        'image xlink:href="/etc/picture.png"',
        'image href="../picture.png"',
        'image href="picture.png"',
        'image href="  file:///etc/picture.png"',
        'image href="https://example.com/picture.png"',
        'image href="&#47;etc/picture.png"',
        'image href="&outside;"',
        'image href="data:image/svg+xml;base64,PHN2Zy8+"',
        'image href="DATA:text/html,x"',
        'image href="data:image/png;x/../../../picture.png"',
        'image href="DATA:image/png;x/../../../picture.png"',
        'image href="data:image/png;x#,/../../../picture.png"',
        'image href="data:image/png;base64/../../../picture.png,"',
        'image href="&#160;data:image/png,/../../../picture.png"',
        'image href="#a/../../picture.png"',
        'image href="#picture.png"',
        'feImage href="#a/../../picture.png"',
        'feImage href="#a\\..\\..\\picture.png"',
        'feImage href="/etc/picture.png"',
        'use href="other.svg#r"',
        'pattern href="other.svg#r"',
        'textPath xlink:href="other.svg#r"',
    ],
)
def test_check_svg_with_a_foreign_reference_is_refused(reference: str) -> None:
    """No picture outside the folder is read, and nothing is fetched."""
    text = '<!DOCTYPE svg [<!ENTITY outside "/etc/picture.png">]>' + svg(f"<{reference}/>").decode()
    with pytest.raises(ValueError, match="refers to another file"):
        check_svg(text.encode())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not well-formed"),
        (b"<svg", "not well-formed"),
        (b"GIF89a", "not well-formed"),
        (svg(nested(3))[:-20], "not well-formed"),
        (b'<?xml version="1.0" encoding="klingon"?>' + svg(), "not well-formed"),
        (b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + svg("<text>&x;</text>"), "not well-formed"),
        (b"<html/>", "no <svg> element"),
        (b'<svg xmlns="urn:x" viewBox="0 0 1 1"/>', "no <svg> element"),
        (svg("", ""), "no size"),
        (svg("", 'viewBox="0 0 0 0"'), "no size"),
        (svg("", 'viewBox="0 0 nan 1"'), "no size"),
        (svg("", 'viewBox="0 0 inf inf"'), "no size"),
        (svg("", 'width="100%" height="100%"'), "no size"),
        (svg("", 'viewBox="0 0 1 100000"'), "times the other"),
        (svg("<g/>" * 100_001), "elements"),
        (svg("<desc>" + "x" * 9 * 2**20 + "</desc>"), "more than 8 MiB"),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else None,
)
def test_check_svg_that_is_unusable_states_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_svg(data)


def test_check_svg_with_nested_entities_is_bounded() -> None:
    """A billion letters from some lines: expat limits the expansion, and the check the text."""
    entities = "".join(f'<!ENTITY e{level} "{f"&e{level - 1};" * 10 if level else "x" * 10}">' for level in range(9))
    with pytest.raises(ValueError, match=r"not well-formed|MiB"):
        check_svg(f"<!DOCTYPE svg [{entities}]>".encode() + svg("<desc>&e8;</desc>"))


def test_check_svg_reads_the_size_of_the_root_only() -> None:
    """Comments and other elements have sizes as well."""
    data = b'<!-- <svg viewBox="0 0 9 90"> -->' + svg('<svg viewBox="0 0 1 3"/>', "viewBox = ' 0,0 , 40 20 '")
    document = check_svg(data)
    assert (document.width, document.height) == (1024, 512)


@pytest.mark.parametrize(
    ("body", "reason"),
    [(TURBULENCE, "takes too long"), (embedded(png(13_000, 13_000)), "memory")],
    ids=["turbulence", "embedded bomb"],
)
def test_render_svg_beyond_the_limits_fails_and_the_next_one_is_drawn(
    renderer: SvgRenderer, body: str, reason: str
) -> None:
    """1 s of CPU time, 512 MiB: the process ends, and another one takes its place."""
    with pytest.raises(ValueError, match=reason):
        renderer.render(check_svg(svg(body)), 96, 96)
    assert drawn(renderer, svg()).getpixel((20, 20)) == (255, 0, 0, 255)


def test_render_svg_that_failed_once_fails_at_once(renderer: SvgRenderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not occupy the renderer again."""
    monkeypatch.setattr(renderer, "_wall_seconds", 0.1)
    document = check_svg(svg(TURBULENCE))
    with pytest.raises(ValueError, match="too long"):
        renderer.render(document, 96, 96)
    monkeypatch.setattr(renderer, "_request", None)
    with pytest.raises(ValueError, match="too long"):
        renderer.render(document, 96, 96)


def test_render_svg_after_the_wall_time_is_killed() -> None:
    """Also where there is no limit of CPU time."""
    renderer = SvgRenderer(cpu_seconds=1_000, wall_seconds=0.3)
    with pytest.raises(ValueError, match="takes too long"):
        renderer.render(check_svg(svg(TURBULENCE)), 96, 96)
    renderer.close()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads the environment from /proc")
def test_render_process_has_no_key(renderer: SvgRenderer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash dump of the process shows nothing that is secret."""
    monkeypatch.setenv("BING_IMAGES_KEY", "0123456789abcdef0123456789abcdef")
    drawn(renderer, svg())
    assert renderer._process is not None
    assert b"BING" not in Path(f"/proc/{renderer._process.pid}/environ").read_bytes()


def test_renderer_close_ends_the_process(renderer: SvgRenderer) -> None:
    drawn(renderer, svg())
    process = renderer._process
    assert process is not None
    renderer.close()
    renderer.close()
    assert process.returncode is not None


def test_open_folder_with_hostile_svgs_has_the_others_and_the_reasons(tmp_path: Path) -> None:
    """Each costs itself alone."""
    outside = tmp_path / "outside.png"
    Image.new("RGB", (8, 8), "red").save(outside)
    album = tmp_path / "album"
    album.mkdir()
    for name, data in {
        "deep.svg": svg(nested(400)),
        "absolute.svg": svg(f'<image href="{outside}" width="10" height="10"/>'),
        "relative.svg": svg('<image href="../outside.png" width="10" height="10"/>'),
        "good.svg": svg(),
    }.items():
        (album / name).write_bytes(data)
    catalogue = open_folder(album, tmp_path / "cache")
    assert (len(catalogue), catalogue.report()) == (
        1,
        [
            "3 files were left out:",
            "  absolute.svg: <image> of the SVG refers to another file",
            "  deep.svg: the SVG is nested more than 128 levels deep",
            "  relative.svg: <image> of the SVG refers to another file",
        ],
    )
    catalogue.close()


def test_open_folder_leaves_no_process(tmp_path: Path) -> None:
    """Closing the catalogue ends the renderer."""
    (tmp_path / "good.svg").write_bytes(svg())
    catalogue = open_folder(tmp_path, tmp_path / "cache")
    process = catalogue._originals._renderer._process  # type: ignore[attr-defined]
    catalogue.close()
    assert process.returncode is not None
    assert Path(tmp_path / "good.svg").exists()
