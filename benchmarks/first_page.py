"""Worker: `WHOSE HOW_FAR FILE`. Milliseconds from nothing imported to imports done, or to the first page.

Nothing is imported here before the clock runs but what cannot be imported twice.
"""

import pathlib
import sys
import time


def ours(body: bytes | None) -> None:
    """The library; with a `body`, a session that is entered, and the page decoded as it does."""
    import bing_images_async

    if body is None:
        return
    import anyio

    from bing_images_async._protocol.messages import Reply
    from bing_images_async._protocol.response_reading import decipher

    headers = {"content-type": "application/json; charset=utf-8"}

    async def first_page() -> None:
        async with bing_images_async.ImageSearchSession("k" * 32):
            answer = decipher(Reply(200, headers, body), bing_images_async.models.ImageAnswer)
            assert len(answer.value) == 35

    anyio.run(first_page)


def theirs(body: bytes | None) -> None:
    """What the library stands on; with a `body`, a client that is entered, and the page parsed to dicts."""
    import anyio
    import cattrs  # noqa: F401  # its import is what is measured
    import httpx
    import msgspec  # noqa: F401  # its import is what is measured

    if body is None:
        return
    import json

    async def first_page() -> None:
        async with httpx.AsyncClient():
            assert len(json.loads(body)["value"]) == 35

    anyio.run(first_page)


def main(whose: str, how_far: str, file: str) -> str:
    """One line of JSON."""
    with pathlib.Path(file).open("rb") as opened:
        body = opened.read() if how_far == "page" else None
    start = {"ours": ours, "theirs": theirs}[whose]
    wall, cpu = time.perf_counter(), time.process_time()
    start(body)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return f'{{"wall": {1e3 * wall}, "CPU": {1e3 * cpu}}}'


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
