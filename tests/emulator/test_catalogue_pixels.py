"""What is seen in pictures, and how they become bytes. All with real pixels."""

import io
import random

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image, ImageDraw

from bing_images_async.emulator.catalogue import thumbnail_renderer
from bing_images_async.emulator.catalogue.analysis import analyse
from bing_images_async.emulator.catalogue.dominant_color import color_name
from bing_images_async.emulator.catalogue.image_encoding import FORMATS, _portions, encode
from bing_images_async.emulator.catalogue.openmoji import artwork
from bing_images_async.emulator.catalogue.perceptual_hash import (
    SAME_DISTANCE,
    fingerprint,
    hash_distance,
    is_same_picture,
    perceptual_hash,
)


def opened(data: bytes) -> Image.Image:
    """The decoded picture; fails if it is damaged."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def scene(size: tuple[int, int] = (400, 300)) -> Image.Image:
    """A red disc low on the right of a white sheet."""
    image = Image.new("RGB", size, "white")
    ImageDraw.Draw(image).ellipse((size[0] * 0.6, size[1] * 0.6, size[0] * 0.9, size[1] * 0.9), fill="red")
    return image


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ("000000", "Black"), ("FFFFFF", "White"), ("808080", "Gray"), ("D22F27", "Red"), ("E27022", "Orange"),
        ("FCEA2B", "Yellow"), ("5C9E31", "Green"), ("138F8C", "Teal"), ("61B2E4", "Blue"), ("8967AA", "Purple"),
        ("FFA7C0", "Pink"), ("6A462F", "Brown"), ("1E50AA", "Blue"), ("186648", "Green"), ("FADCBC", "Brown"),
    ],
)  # fmt: skip
def test_color_name_of_samples_is_the_common_name(rgb: str, name: str) -> None:
    """The shades of the artwork, by the API's twelve names."""
    red, green, blue = bytes.fromhex(rgb)
    assert color_name((red, green, blue)) == name


@pytest.mark.parametrize(
    ("code", "color"),
    [
        ("1F34B", "Yellow"),
        ("1F353", "Red"),
        ("1F433", "Blue"),
        ("1F438", "Green"),
        ("1F347", "Purple"),
        ("1F418", "Gray"),
        ("1F955", "Orange"),
    ],
)
def test_dominant_color_of_drawings_ignores_outlines(code: str, color: str) -> None:
    """Lemon, strawberry, whale, frog, grapes, elephant, carrot; outlines do not count."""
    assert analyse(artwork(code, 64)).color == color


def test_analyse_black_drawing_is_monochrome_line_art() -> None:
    """The musical note is black and nothing else."""
    seen = analyse(artwork("1F3B5", 64))
    assert (seen.is_monochrome, seen.image_type, seen.is_transparent) == (True, "Line", True)


def test_analyse_noise_is_a_photo() -> None:
    """A photograph has no large plain areas."""
    chance = random.Random(1)
    small = Image.frombytes("RGB", (12, 8), chance.randbytes(12 * 8 * 3))
    assert analyse(small.resize((96, 64), Image.Resampling.BICUBIC)).image_type == "Photo"


@pytest.mark.parametrize("code", ["1F408", "1F34B", "1F98B", "26F5", "1F418", "1F3B8"])
def test_hash_of_a_scaled_reencoded_copy_is_the_same_picture(code: str) -> None:
    """A copy on another ground, in another shape and format, is nearly the same picture."""
    ground = Image.new("RGB", (500, 300), "#EAF4FB")
    art = artwork(code, 250)
    ground.paste(art, (125, 25), art)
    target = io.BytesIO()
    ground.save(target, "JPEG", quality=70)
    assert is_same_picture(fingerprint(target.getvalue()), perceptual_hash(artwork(code, 64)))


def test_hash_of_different_drawings_differs() -> None:
    """Different drawings differ in many bits."""
    hashes = [perceptual_hash(artwork(code, 64)) for code in ("1F408", "1F34B", "1F98B", "26F5", "1F3E0")]
    assert min(hash_distance(a, b) for i, a in enumerate(hashes) for b in hashes[:i]) > 2 * SAME_DISTANCE


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"no picture" * 100])
def test_fingerprint_of_no_picture_raises(data: bytes) -> None:
    """Uploads may be anything."""
    with pytest.raises(ValueError, match=r"no picture|too many pixels|damaged"):
        fingerprint(data)


def test_fingerprint_of_a_decompression_bomb_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file that says it is enormous is not unpacked."""
    target = io.BytesIO()
    Image.new("1", (3000, 3000)).save(target, "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    with pytest.raises(ValueError, match=r"no picture|too many pixels|damaged"):
        fingerprint(target.getvalue())


@pytest.mark.parametrize("encoding", FORMATS)
@settings(max_examples=40, deadline=None)
@given(extra=st.one_of(st.integers(0, 3000), st.integers(65_000, 140_000)))
def test_encode_to_a_size_has_exactly_that_size(encoding: str, extra: int) -> None:
    """Every length from just enough upwards, and the file still decodes."""
    frames = [scene((60, 40)), scene((60, 40)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    size = 2_500 + extra
    data = encode(frames, encoding, size, "by somebody")
    assert (len(data), opened(data).size, b"by somebody" in data) == (size, (60, 40), True)


@pytest.mark.parametrize(("least", "most"), [(2, 256), (4, 300)])
def test_padding_portions_have_allowed_lengths(least: int, most: int) -> None:
    """Also where a whole number of longest pieces would leave one too short."""
    for total in range(least, 4 * most):
        pieces = list(_portions(total, least=least, most=most))
        assert [at for at, _ in pieces] == [sum(length for _, length in pieces[:n]) for n in range(len(pieces))]
        assert sum(length for _, length in pieces) == total
        assert all(least <= length <= most for _, length in pieces)


def test_encode_to_a_small_size_reduces_quality() -> None:
    """What does not fit at full quality is encoded at a lower one."""
    busy = Image.effect_noise((200, 200), 80).convert("RGB")
    roomy, tight = (encode([busy], "jpeg", size, "x") for size in (60_000, 12_000))
    assert (len(roomy), len(tight), opened(tight).size) == (60_000, 12_000, (200, 200))


def make(image: Image.Image, **asked: object) -> Image.Image:
    """The decoded thumbnail of a picture."""
    wanted = {"width": None, "height": None, "crop": None, "padding": True} | asked
    return opened(thumbnail_renderer.render(lambda size: image.resize(size), image.size, **wanted))  # type: ignore[arg-type]  # **wanted


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({}, (400, 300)),
        ({"width": 100}, (100, 75)),
        ({"height": 150}, (200, 150)),
        ({"width": 100, "height": 100}, (100, 100)),
        ({"width": 100, "height": 100, "padding": False}, (100, 75)),
        ({"width": 100, "height": 100, "crop": 4}, (100, 100)),
        ({"width": 100, "height": 100, "crop": 7}, (100, 100)),
        ({"width": 800, "height": 800}, (800, 800)),
        ({"width": 800}, (800, 600)),
        ({"width": 800, "height": 800, "padding": False}, (400, 300)),
        ({"width": 800, "height": 200, "crop": 4}, (800, 200)),
        ({"width": 800, "height": 200, "crop": 4, "padding": False}, (400, 100)),
        ({"width": 100, "crop": 4}, (100, 75)),
        ({"width": 100, "height": 100, "crop": 5, "padding": False}, (100, 75)),
    ],
)
def test_thumbnail_of_requested_sides_has_the_documented_size(asked: dict[str, object], size: tuple[int, int]) -> None:
    """One side keeps the shape, two sides give exactly that, p=0 leaves the white out."""
    assert make(scene(), **asked).size == size


def test_thumbnail_without_sides_is_at_most_474_wide() -> None:
    """Large pictures are scaled, small ones are not."""
    assert [make(scene(size)).size for size in ((948, 400), (100, 900))] == [(474, 200), (100, 900)]


def test_thumbnail_of_another_ratio_is_padded() -> None:
    """A grey picture in a square: white above and below."""
    image = make(Image.new("RGB", (400, 200), "gray"), width=100, height=100)
    assert [image.getpixel((50, y)) for y in (5, 95)] == [(255, 255, 255)] * 2


def test_thumbnail_larger_than_the_original_is_not_enlarged() -> None:
    """It stands in the middle of the white."""
    image = make(Image.new("RGB", (50, 50), "black"), width=150, height=150)
    dark = image.convert("L").point([255] * 128 + [0] * 128).getbbox()
    assert dark == (50, 50, 100, 100)


def test_blind_crop_of_a_tall_picture_cuts_the_bottom() -> None:
    """Top-left stays."""
    tall = Image.new("RGB", (100, 300), "blue")
    tall.paste("red", (0, 0, 100, 100))
    assert make(tall, width=100, height=100, crop=4).getpixel((50, 95))[0] > 200  # type: ignore[index]  # RGB: a tuple


def test_blind_crop_of_a_wide_picture_cuts_both_sides() -> None:
    """The middle stays."""
    wide = Image.new("RGB", (300, 100), "blue")
    wide.paste("red", (100, 0, 200, 100))
    image = make(wide, width=100, height=100, crop=4)
    assert min(image.getpixel((x, 50))[0] for x in (4, 95)) > 200  # type: ignore[index]  # RGB: a tuple


def test_smart_crop_keeps_the_edges() -> None:
    """The disc low on the right is inside; the blind crop cuts it."""
    reds = []
    for crop in (4, 7):
        image = make(scene((300, 900)), width=100, height=100, crop=crop)
        reds.append(sum(1 for green in image.resize((20, 20)).getchannel("G").tobytes() if green < 100))
    assert reds[0] == 0 < reds[1]


def test_smart_crop_without_edges_is_blind() -> None:
    """Where nothing stands out there is nothing to be smart about."""
    plain = Image.new("RGB", (100, 300), "blue")
    assert make(plain, width=50, height=50, crop=7).tobytes() == make(plain, width=50, height=50, crop=4).tobytes()


def test_thumbnail_with_transparency_is_png() -> None:
    """Others are JPEG."""
    see_through = artwork("1F408", 100)
    assert [make(image, width=50).format for image in (see_through, scene())] == ["PNG", "JPEG"]


@pytest.mark.parametrize("side", [0, -1, 5_000])
def test_thumbnail_with_invalid_sides_raises(side: int) -> None:
    """No request makes the service draw a gigapixel."""
    with pytest.raises(ValueError, match="side must be"):
        make(scene(), width=side, height=10)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 90), st.integers(1, 90), st.sampled_from([None, 4, 7]))
def test_thumbnail_with_two_sides_has_them_exactly(width: int, height: int, w: int, h: int, crop: int | None) -> None:
    """Whatever the shapes."""
    assert make(Image.new("RGB", (width, height), "red"), width=w, height=h, crop=crop).size == (w, h)
