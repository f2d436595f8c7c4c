"""Whatever comes back gives a model or one of our errors, and nothing that was good is lost.

`pytest tests/protocol/test_fuzz.py -s --hypothesis-profile=full` runs 10,000 examples and prints the shares.
"""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Iterator
from typing import Any

import bodies
import pytest
from hypothesis import HealthCheck, event, given, settings, strategies as st
from strategies import BROKEN, ENDPOINTS, ERRORS, answers, damaged, dumped, mutated, objects
from walk import compare, places, spelled

from bing_images_async._protocol.decoding import DecodingError, structure, wire_names
from bing_images_async._protocol.messages import Reply
from bing_images_async._protocol.response_reading import read_response
from bing_images_async.errors import ApiError, BingImagesError
from bing_images_async.models import Answer, Image, ImageAnswer

MANY = settings(
    max_examples=max(500, settings.get_profile("default").max_examples, settings().max_examples),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
KINDS = st.sampled_from(list(ENDPOINTS))
STATUSES = st.sampled_from([
    *[200] * 40, 201, 203, 204, 206, 301, 302, 304, 400, 401, 403, 404, 408, 410, 418, 429, 500, 501, 503, 524,
    100, -1, 999,
])  # fmt: skip
WORDS = st.sampled_from(
    ["", "0", "26", "-1", "nan", "1e9", "\u0663", "9" * 10, "T-1", "en-US", "Sun, 06 Nov 1994 08:49:37 GMT",
     "/elsewhere", "Sat, 01 Jan 100000 00:00:00 GMT",
     "Fri, 31 Dec 9999 23:59:59 -2359", "Mon, 01 Jan 0001 00:00:00 +2359"]
) | st.text(max_size=30)  # fmt: skip
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "bingapis-traceid", "apim-request-id", "bingapis-market", "location",
                     "x-msedge-clientid", "bingapis-sessionid", "content-type"]),
    WORDS, max_size=4,
)  # fmt: skip


@st.composite
def replies(draw: st.DrawFn) -> tuple[str, Reply, type[Answer]]:
    """A reply of any kind, with the name of what was done to its body."""
    kind = draw(KINDS)
    one_mutation = mutated(answers(kind)).map(dumped)
    raw = answers(kind).map(dumped)
    made = {
        "one mutation": one_mutation,
        "proper": raw,
        "error body": ERRORS.map(dumped),
        "error body, one mutation": mutated(ERRORS).map(dumped),
        "damaged bytes": damaged(raw),
        "no JSON": BROKEN,
    }
    # More than half of all have one mutation and are JSON; the rest shares what is left.
    what = draw(st.sampled_from(["one mutation"] * 9 + list(made)))
    return what, Reply(draw(STATUSES), draw(HEADERS), draw(made[what])), kind


def read_outcome(reply: Reply, kind: type[Answer], *, keep_raw: bool, json_ld: bool) -> Answer | BingImagesError:
    """The model, or the error, of a reply. Anything else is raised, and fails the test."""
    try:
        return read_response(reply, kind, keep_raw=keep_raw, json_ld=json_ld)
    except BingImagesError as error:
        return error


shares: Counter[str] = Counter()
sources: Counter[str] = Counter()


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    """Print what the examples were, and what became of them (visible with `-s`)."""
    yield
    for title, counter in (("bodies", sources), ("outcomes", shares)):
        total = sum(counter.values())
        print(f"\n{total:,} {title}")
        for name, count in counter.most_common():
            print(f"  {count / total:6.1%}  {name}")
    assert 2 * sources["one mutation"] >= sources.total()


@MANY
@given(replies(), st.booleans(), st.sampled_from([*[False] * 9, True]))
def test_any_reply_gives_a_model_or_one_of_our_errors(
    example: tuple[str, Reply, type[Answer]], keep_raw: bool, json_ld: bool
) -> None:
    """Every error is of the hierarchy, has a message, and can be pickled."""
    what, reply, kind = example
    outcome = read_outcome(reply, kind, keep_raw=keep_raw, json_ld=json_ld)
    name = type(outcome).__name__
    if isinstance(outcome, BingImagesError):
        copied = pickle.loads(pickle.dumps(outcome))
        assert (type(copied), str(copied), vars(copied)) == (type(outcome), str(outcome), vars(outcome))
        assert 0 < len(str(outcome)) < 5_000
    else:
        name = "model with problems" if outcome.problems else "model"
        assert type(outcome) is kind
        assert 200 <= reply.status < 300
        assert all(problem.reason for problem in outcome.problems)
    if isinstance(outcome, ApiError):
        assert outcome.status == reply.status
        assert outcome.retry_after is None or outcome.retry_after >= 0
    event(f"{what}: {name}")
    sources[what] += 1
    shares[name] += 1


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(KINDS.flatmap(lambda kind: st.tuples(st.just(kind), answers(kind))))
def test_generated_bodies_are_read_whole(example: tuple[type[Answer], dict[str, Any]]) -> None:
    """Any body in the shape of the models is on the model, field by field, without a problem."""
    kind, body = example
    answer, problems = structure(body, kind)
    comparison = compare(body, answer)
    assert (problems, comparison.differences, comparison.unknown) == ((), (), frozenset())


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), KINDS)
def test_one_mutation_costs_one_node(data: st.DataObject, kind: type[Answer]) -> None:
    """What is reported lies at the mutated node or inside what was put there, and the other fields are as they were."""
    body = data.draw(answers(kind))
    path = data.draw(st.sampled_from([path for path in places(body) if path]))
    changed: Any = json.loads(dumped(body))
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = data.draw(st.sampled_from([None, 5, "5", 5.5, True, [], {}, ["x"]]))
    try:
        answer, problems = structure(changed, kind)
    except DecodingError:
        pytest.fail("only a body that is no object has nothing to read")
    assert all(problem.path.startswith(spelled(path)) for problem in problems)
    before, _ = structure(body, kind)
    top = path[0]
    for name, wire in wire_names(kind).items():
        if wire != top:
            assert getattr(answer, name) == getattr(before, name)


@settings(max_examples=200, deadline=None)
@given(objects(Image, 1), st.integers(0, 3), st.sampled_from([None, 5, "x", [], True]))
def test_one_bad_item_never_loses_a_page(image: dict[str, Any], index: int, bad: Any) -> None:
    """The other items of a page are the same with it and without it."""
    good = [image, *bodies.search_2020(2)["value"]]
    page = {"_type": "Images", "value": [*good[:index], bad, *good[index:]]}
    answer = read_response(bodies.reply(page), ImageAnswer)
    assert answer.value == structure({"value": good}, ImageAnswer)[0].value
    assert [problem.path for problem in answer.problems] == [f"value[{min(index, 3)}]"]
