"""An Image Search API v7 service of our own: an ASGI app over a searchable catalogue of pictures.

picture, catalogue, …       what there is to find, and how it is found
app                         create_app(): paths and settings
gate, query, errors         a call on its way in: credentials, parameters, refusals
search, details, trending   the three endpoints; paging has search's habits, modules the parts of details
answers, links, tokens      what answers are made of
media, pages                everything that the URLs in answers lead to
server                      all of it on a socket

profile, faults, limits     how much it puts up with, and what goes wrong when
refusals, hostile,
detours, wires              what can go wrong: in place of answers, in their bodies, in paging, on the connection
behaviour, stage, line      what befalls a request, and how that is done, on a socket or in process
journal, admin              what came in, and control while it runs
"""

try:
    from .app import create_app
    from .catalogue.factories import Catalogue, open_folder, open_openmoji
    from .catalogue.picture import Filters, Hits, Picture
    from .catalogue.synthetic import synthetic
    from .faults.fault_rules import FAULTS, FaultRule
    from .faults.plans import Emulator
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
