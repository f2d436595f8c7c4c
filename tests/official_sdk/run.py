"""The official Python SDK against our service, over a socket: `python tests/official_sdk/run.py`.

The SDK (azure-cognitiveservices-search-imagesearch 2.0.1) is too old for our environment, so it gets one of its own
in a temporary folder. Needs a package index; takes about half a minute.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from bing_images_async.emulator import create_app, open_openmoji, running_server

SDK = ("azure-cognitiveservices-search-imagesearch==2.0.1", "msrest")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *SDK], check=True)
        catalogue = open_openmoji()
        try:
            with running_server(create_app(catalogue)) as url:
                check = Path(__file__).with_name("check.py")
                return subprocess.run([python, check, url], check=False).returncode
        finally:
            catalogue.close()


if __name__ == "__main__":
    sys.exit(main())
