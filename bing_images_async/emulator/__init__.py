"""An Image Search API v7 service: an ASGI app over a searchable catalogue of pictures.

app, server, local      the ASGI app, on a socket, and inside a session's process
api/                    the endpoints: authentication, parameters, paging, answers, errors
catalogue/              search, spelling, analysis (dominant colour, perceptual hash) and thumbnails of pictures:
                        OpenMoji, a folder of the user, or synthetic ones
faults/                 profiles, limits, latency, faults by kind, the journal of requests, `/__admin`
web/                    image files and HTML pages that the URLs in answers lead to

A request passes `faults.middleware` first, then `api.endpoint` and one of the endpoints, which call a `Catalogue`.
A new fault is a function and an entry in the table of its kind: `faults/error_responses.py` (a reply instead of the
answer), `body_faults.py`, `paging_faults.py` (a changed answer) or `connection_faults.py`.
"""

try:
    from .app import create_app
    from .catalogue.factories import open_folder, open_openmoji
    from .catalogue.interface import Catalogue
    from .catalogue.picture import Filters, Hits, Picture
    from .catalogue.synthetic import synthetic
    from .faults.emulator import Emulator
    from .faults.fault_rules import FAULTS, FaultRule
    from .faults.profiles import PROFILES, Latency, Profile
    from .faults.request_journal import Journal, Record
    from .server import running_server, serve
except ModuleNotFoundError as error:
    if error.name is not None and error.name.partition(".")[0] == "bing_images_async":
        raise
    raise ImportError(
        f'The emulator needs the package {error.name!r}: pip install "bing-images-async[emulator]"',
        name=error.name,
    ) from error

__all__ = [
    "Catalogue",
    "Emulator",
    "FAULTS",
    "FaultRule",
    "Filters",
    "Hits",
    "Journal",
    "Latency",
    "PROFILES",
    "Picture",
    "Profile",
    "Record",
    "create_app",
    "open_folder",
    "open_openmoji",
    "running_server",
    "serve",
    "synthetic",
]
