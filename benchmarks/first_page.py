"""The worker of `start`: milliseconds from nothing imported to the first page over a socket.

Only `json`, which both sides need, is imported before the clock runs; so this worker does without worker.py.
"""

import json
import sys
import time


def ours(url: str) -> None:
    """Import the library, and get the first page with a session."""
    import anyio

    import bing_images_async

    async def first_page() -> None:
        async with bing_images_async.ImageSearchSession("k" * 32, base_url=url) as session:
            assert len((await session.search("paper boat")).value) == 35

    anyio.run(first_page)


def theirs(url: str) -> None:
    """Import what the library is made of, and get the first page with a client, parsed to dicts."""
    import anyio
    import cattrs  # noqa: F401  # its import is what is measured
    import httpx
    import msgspec  # noqa: F401  # its import is what is measured

    async def first_page() -> None:
        async with httpx.AsyncClient() as client:
            response = await client.get(f"{url}/images/search?q=paper+boat")
            assert len(json.loads(response.content)["value"]) == 35

    anyio.run(first_page)


def main(whose: str, url: str) -> str:
    """Return one line of JSON."""
    start = ours if whose == "ours" else theirs
    wall, cpu = time.perf_counter(), time.process_time()
    start(url)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return json.dumps({"wall": 1e3 * wall, "CPU": 1e3 * cpu})


if __name__ == "__main__":
    print(main(**json.loads(sys.argv[1])))
