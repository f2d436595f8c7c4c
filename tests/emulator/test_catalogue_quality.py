"""Measured sets: spelling, ranking, likeness, and queries that find nothing, on all of OpenMoji."""

import io
import random
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageOps
from service_kit import client

from bing_images_async.emulator import Filters, Hits
from bing_images_async.emulator.catalogue.perceptual_hash import has_structure, is_same_picture
from bing_images_async.emulator.catalogue.spelling import correct
from bing_images_async.emulator.catalogue.sqlite_catalogue import SqliteCatalogue

NOW = datetime(2026, 3, 1, 6, tzinfo=UTC)

ORDINARY_WORDS = {
    "en": "london berlin degas pillow carpet harbor harbour colour theatre lotion einstein albert picasso velvet "
    "tuesday blanket harvest justice freedom curtain",
    "de": "london teppich kissen hafen freiheit gerechtigkeit vorhang decke ernte montag samt farbe wohnung straße "
    "schreibtisch löffel gabel teller bremen kühlschrank",
    "fr": "londres tapis oreiller port liberté justice rideau couverture récolte lundi velours couleur appartement rue "
    "bureau cuillère fourchette assiette lyon frigo",
    "es": "londres alfombra almohada puerto libertad justicia cortina manta cosecha martes terciopelo color piso calle "
    "escritorio cuchara tenedor plato sevilla nevera",
    "it": "londra tappeto cuscino porto libertà giustizia tenda coperta raccolto lunedì velluto colore appartamento "
    "strada scrivania cucchiaio forchetta piatto torino frigorifero",
}
MISSPELT = {
    "bycicle": "bicycle", "umbrela": "umbrella", "elephnat": "elephant", "strawbery": "strawberry",
    "buterfly": "butterfly", "hosue": "house", "gutiar": "guitar", "pengiun": "penguin", "choclate": "chocolate",
    "telephoen": "telephone", "rokcet": "rocket", "tiegr": "tiger", "moutain": "mountain", "bananna": "banana",
}  # fmt: skip
COMMON_THINGS = {
    "cat": "Cat", "dog": "Dog", "horse": "Horse", "cow": "Cow", "pig": "Pig", "sheep": "Ewe", "bird": "Bird",
    "fish": "Fish", "elephant": "Elephant", "lion": "Lion", "tiger": "Tiger", "bear": "Bear", "monkey": "Monkey",
    "snake": "Snake", "frog": "Frog", "butterfly": "Butterfly", "bee": "Honeybee", "spider": "Spider", "rose": "Rose",
    "sunflower": "Sunflower", "apple": "Red apple", "banana": "Banana", "lemon": "Lemon", "bread": "Bread",
    "pizza": "Pizza", "hamburger": "Hamburger", "coffee": "Hot beverage", "coffee cup": "Hot beverage",
    "beer": "Beer mug", "wine": "Wine glass", "car": "Automobile", "bus": "Bus", "bicycle": "Bicycle",
    "airplane": "Airplane", "ship": "Ship", "rocket": "Rocket", "house": "House", "castle": "Castle", "sun": "Sun",
    "star": "Star", "cloud": "Cloud", "snow man": "Snowman", "fire": "Fire", "mountain": "Mountain",
    "phone": "Telephone", "computer": "Laptop", "guitar": "Guitar", "umbrella": "Umbrella", "heart": "Red heart",
    "money": "Money bag",
}  # fmt: skip
NOTHING = (
    "albert einstein", "london", "berlin", "degas", "picasso", "qwzxqwzx", "asdfghjkl", "am", "the", "of the", "xkcdqq",
    "blockchain", "carpet", "pillow", "velvet", "harbour", "tuesday", "+bycicle", '"bycicle"', "++degas",
)  # fmt: skip


def find(catalogue: SqliteCatalogue, text: str, language: str = "en") -> Hits:
    return catalogue.search(text, language=language, filters=Filters(), offset=0, limit=10, now=NOW)


# --- spelling


@pytest.mark.parametrize("language", ORDINARY_WORDS)
def test_ordinary_words_are_not_altered(catalogue: SqliteCatalogue, language: str) -> None:
    """100 words in five languages, which the catalogue mostly does not have: none becomes another."""
    words = ORDINARY_WORDS[language].split()
    altered = {word: hits.altered_query for word in words if (hits := find(catalogue, word, language)).altered_query}
    assert (len(words), altered) == (20, {})


@pytest.mark.parametrize(("word", "correction"), MISSPELT.items())
def test_misspelt_words_are_corrected(catalogue: SqliteCatalogue, word: str, correction: str) -> None:
    """One edit from a frequent word, and from no other that is nearly as frequent."""
    assert find(catalogue, word).altered_query == correction


@pytest.mark.parametrize("query", ["+{}", '"{}"', "-{} cat", "+{} cat", '"{} cat"'])
def test_verbatim_words_are_not_altered(catalogue: SqliteCatalogue, query: str) -> None:
    assert find(catalogue, query.format("bycicle")).altered_query is None


@pytest.mark.parametrize(
    ("word", "language"),
    [
        ("kissa", "fi"), ("tabel", "tr"), ("hosue", "sv"), ("bycicle", "id"),  # no vocabulary, no evidence
        ("bot", "en"), ("carr", "en"),  # too short
        ("b1ke2", "en"), ("bycicle!", "en"),  # no words
        ("straße", "de"), ("katzen", "de"), ("colour", "en"), ("organise", "en"),  # known
    ],
)  # fmt: skip
def test_correct_without_evidence_is_none(word: str, language: str) -> None:
    assert correct(word, language, {"kiss", "table", "house", "bicycle", "boat", "car", "bike", "color", "cat"}) is None


def test_correct_to_a_word_that_finds_nothing_is_none() -> None:
    """The most likely correction is "london"; "lindon" must not become another name that the catalogue has."""
    assert correct("lodnon", "en", {"lion", "lotion", "london bridge"}) is None


# --- ranking


@pytest.mark.parametrize(("query", "first"), COMMON_THINGS.items())
def test_first_result_is_the_thing(catalogue: SqliteCatalogue, query: str, first: str) -> None:
    """50 common things."""
    assert find(catalogue, query).pictures[0].names["en"] == first


@pytest.mark.parametrize(
    ("query", "language", "first"),
    [
        ("l'eau", "fr", "Eau potable"),
        ("l’ours", "fr", "Ours"),
        ("d'un chat", "fr", "Chat"),
        ("l'albero", "it", "Albero sempreverde"),
        ("dell'orso", "it", "Orso"),
        ("la casa", "es", "Casa"),
        ("un gato negro", "es", "Gato negro"),
        ("das Haus", "de", "Haus"),
        ("der rote Apfel", "de", "Roter apfel"),
        ("ein rotes Herz", "de", "Rotes herz"),
        ("a casa", "pt", "Casa"),
        ("the cat", "en", "Cat"),
        ("photo of a cat", "en", "Cat"),
        ("誕生日", "ja", "バースデーケーキ"),
        ("黒い猫", "ja", "黒猫"),
        ("雪だるま", "ja", "雪だるま"),
        ("飛機", "zh", "飞机"),
        ("飞机", "zh", "飞机"),
        ("聖誕樹", "zh", "圣诞树"),
        ("生日蛋糕", "zh", "生日蛋糕"),
        ("黑色的猫", "zh", "黑猫"),
        ("hotdog", "en", "Hot dog"),
        ("teddybear", "en", "Teddy bear"),
        ("sun flower", "en", "Sunflower"),
        ("red flower", "en", "Rose"),
    ],
)
def test_first_result_of_a_query_with_articles_colours_or_compounds(
    catalogue: SqliteCatalogue, query: str, language: str, first: str
) -> None:
    assert find(catalogue, query, language).pictures[0].names[language] == first


@pytest.mark.parametrize(
    ("query", "language", "most"),
    [
        ("l'arbre de noël", "fr", 30),
        ("snow man", "en", 5),
        ("la casa", "es", 10),
        ("赤い花", "ja", 10),
        ("红色的花", "zh", 10),
    ],
)
def test_results_of_words_without_content_are_left_out(
    catalogue: SqliteCatalogue, query: str, language: str, most: int
) -> None:
    """Hundreds of pictures have "de" or "man" in their names."""
    assert 0 < find(catalogue, query, language).total <= most


@pytest.mark.parametrize("query", NOTHING)
def test_nothing_is_found(catalogue: SqliteCatalogue, query: str) -> None:
    """20 queries for which every result would be wrong."""
    hits = find(catalogue, query, "de" if query == "am" else "en")
    assert (hits.total, hits.altered_query) == (0, None)


# --- likeness


def photographs() -> Iterator[tuple[str, Image.Image]]:
    """40 pictures without a drawing: photographs as noise of several octaves, textures, plain areas, rectangles."""
    for seed in range(16):
        yield f"photograph {seed}", photograph(seed)
    for name in ("black", "white", "red", "#777777", "navy", "#FDF3E7"):
        yield f"plain {name}", Image.new("RGB", (200, 150), name)
    for angle in (0, 45, 90, 200):
        yield f"gradient {angle}", Image.linear_gradient("L").rotate(angle, expand=True).resize((200, 150))
    yield "radial gradient", Image.radial_gradient("L")
    yield "noise", Image.effect_noise((200, 150), 90)
    for seed in range(12):
        yield f"rectangles {seed}", rectangles(seed)


def photograph(seed: int) -> Image.Image:
    """Value noise of three octaves per channel over a sky-to-ground gradient, with blurred objects and grain."""
    chance = random.Random(seed)
    channels: list[Image.Image] = []
    for _ in range(3):
        sky, ground = chance.randrange(120, 256), chance.randrange(0, 140)
        channel = Image.linear_gradient("L").resize((300, 200)).point(lambda v, a=sky, b=ground: a + (b - a) * v // 255)
        for octave, share in ((5, 0.4), (14, 0.4), (80, 0.15)):
            noise = Image.frombytes("L", (octave, octave), chance.randbytes(octave * octave))
            channel = Image.blend(channel, noise.resize((300, 200), Image.Resampling.BICUBIC), share)
        channels.append(channel)
    scene = Image.merge("RGB", channels)
    draw = ImageDraw.Draw(scene)
    for _ in range(chance.randrange(8, 17)):
        x, y, size = chance.randrange(-20, 300), chance.randrange(200), chance.randrange(20, 90)
        draw.ellipse((x, y, x + size, y + size * 0.8), fill=tuple(chance.randrange(256) for _ in range(3)))
    blurred = ImageOps.autocontrast(scene.filter(ImageFilter.GaussianBlur(1)), cutoff=2)
    return Image.blend(blurred, Image.effect_noise((300, 200), 60).convert("RGB"), 0.08)


def rectangles(seed: int) -> Image.Image:
    chance = random.Random(seed)
    image = Image.new("RGB", (200, 200), tuple(chance.randrange(256) for _ in range(3)))
    draw = ImageDraw.Draw(image)
    for _ in range(chance.randrange(1, 6)):
        x, y = chance.randrange(150), chance.randrange(150)
        corner = (x + chance.randrange(20, 120), y + chance.randrange(20, 120))
        draw.rectangle((x, y, *corner), fill=tuple(chance.randrange(256) for _ in range(3)))
    return image


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def test_photographs_and_plain_pictures_are_not_recognised(catalogue: SqliteCatalogue) -> None:
    """None of 40 is a picture of the catalogue; those without structure have no similar pictures either."""
    hashes = {name: catalogue.fingerprint(png(image)) for name, image in photographs()}
    nearest = {name: catalogue.similar(value, limit=1) for name, value in hashes.items()}
    with_structure = {name for name, value in hashes.items() if has_structure(value)}
    assert (len(hashes), len(with_structure) >= 20) == (40, True)
    assert {name for name, near in nearest.items() if near} == with_structure
    assert [name for name in with_structure if is_same_picture(hashes[name], nearest[name][0].phash)] == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("image", "modules"),
    [(photograph(1), {"visuallySimilarImages"}), (Image.new("RGB", (64, 64), "black"), set())],
    ids=["photograph", "black"],
)
async def test_details_of_an_unknown_upload_has_no_name(
    catalogue: SqliteCatalogue, image: Image.Image, modules: set[str]
) -> None:
    """No name, no tags; similar pictures only if there is something to compare."""
    async with client(catalogue) as one:
        answer = (await one.post("images/details", files={"image": png(image)})).json()
    assert set(answer) == {"_type", "instrumentation", "imageInsightsToken", *modules}


@pytest.mark.anyio
async def test_token_of_an_unknown_upload_is_accepted(catalogue: SqliteCatalogue) -> None:
    """It has the hash of the upload."""
    async with client(catalogue) as one:
        token = (await one.post("images/details", files={"image": png(photograph(1))})).json()["imageInsightsToken"]
        again = await one.get("images/details", params={"insightsToken": token})
    assert again.status_code == 200


def test_thumbnails_of_the_catalogue_are_recognised(catalogue: SqliteCatalogue) -> None:
    """Of 100 thumbnails, re-encoded and padded: at least 75; and no more than 3 as another picture."""
    everything = catalogue.search("site:x", language="en", filters=Filters(), offset=0, limit=5_000, now=NOW).pictures
    chosen = [picture for picture in everything[::30] if has_structure(picture.phash)][:100]
    right = wrong = 0
    for picture in chosen:
        data = catalogue.thumbnail(picture, width=160, height=160, crop=None, padding=True)
        value = catalogue.fingerprint(data)
        nearest = next(iter(catalogue.similar(value, limit=1)), None)
        if nearest is not None and is_same_picture(nearest.phash, value):
            same = nearest == picture or is_same_picture(nearest.phash, picture.phash)
            right, wrong = right + same, wrong + (not same)
    assert (len(chosen), right >= 75, wrong <= 3) == (100, True, True)


def test_similar_pictures_are_of_the_same_kind(catalogue: SqliteCatalogue) -> None:
    """Of ten similar pictures eight have the category or a keyword of the picture, for 50 things."""
    shares: dict[str, int] = {}
    for query in COMMON_THINGS:
        picture = find(catalogue, query).pictures[0]
        similar = catalogue.similar(picture.phash, limit=10, exclude=picture.image_id)
        own = {picture.category, *picture.keywords}
        shares[query] = sum(not own.isdisjoint({other.category, *other.keywords}) for other in similar)
    assert {query: share for query, share in shares.items() if share < 8} == {}


def test_pictures_similar_to_a_bird_are_birds(catalogue: SqliteCatalogue) -> None:
    bird = find(catalogue, "bird").pictures[0]
    names = [picture.names["en"] for picture in catalogue.similar(bird.phash, limit=10, exclude=bird.image_id)]
    assert {"Dove", "Eagle", "Owl", "Parrot", "Duck"} <= set(names)
