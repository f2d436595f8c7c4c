"""Clients of others against the built-in service: `python tests/peers/run.py fetch|npm|browser` (see README.md)."""

import http.server
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

from bing_images_async.emulator import create_app, open_openmoji, running_server

HERE = Path(__file__).parent
NPM_PACKAGE = "cognitive-services@1.2.3"


def fetch(url: str) -> int:
    return subprocess.run(["node", HERE / "fetch.mjs", url], check=False).returncode


def npm(url: str) -> int:
    with tempfile.TemporaryDirectory() as folder:
        install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, NPM_PACKAGE]
        subprocess.run(install, check=True)
        environment = {**os.environ, "NODE_PATH": f"{folder}/node_modules", "NODE_NO_WARNINGS": "1"}
        return subprocess.run(["node", HERE / "cognitive_services.js", url], env=environment, check=False).returncode


def browser(url: str) -> int:
    """The page is of another origin: another port and another name of this machine."""
    command = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium-browser"
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=HERE)
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as pages,
        tempfile.TemporaryDirectory() as profile,
    ):
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        page = f"http://localhost:{pages.server_port}/browser.html?{url}"
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        options += ["--virtual-time-budget=20000", "--dump-dom"]
        done = subprocess.run([command, *options, page], capture_output=True, text=True, timeout=120, check=False)
        pages.shutdown()
    result = done.stdout.partition("<pre>")[2].partition("</pre>")[0]
    print(result or f"no result: {done.stderr[-2_000:]}")
    return 0 if "1 passed, 0 failed" in result else 1


PEERS: dict[str, Callable[[str], int]] = {"fetch": fetch, "npm": npm, "browser": browser}


def main(name: str) -> int:
    catalogue = open_openmoji()
    try:
        with running_server(create_app(catalogue, admin=True)) as url:
            return PEERS[name](url)
    finally:
        catalogue.close()


if __name__ == "__main__":
    if sys.argv[1:] not in [[name] for name in PEERS]:
        sys.exit(f"usage: python tests/peers/run.py {'|'.join(PEERS)}")
    sys.exit(main(sys.argv[1]))
