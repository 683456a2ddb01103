"""Files for browsers: ours, and the chart library out of its installed package."""

import gzip
from functools import cache
from importlib import resources

from litestar import get
from litestar.response import Response

from ampacity.console.front import Asked
from ampacity.console.render import plotly_path
from ampacity.errors import NotFound

_KINDS = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"


@cache
def _content(name: str) -> tuple[bytes, bytes]:
    """A file as it is, and compressed."""
    if name == plotly_path().rpartition("/")[2]:
        plain = (resources.files("plotly") / "package_data" / "plotly.min.js").read_bytes()
    else:
        plain = (resources.files("ampacity.console") / "static" / name).read_bytes()
    return plain, gzip.compress(plain, 6, mtime=0)


def known_files() -> set[str]:
    """What may be asked for."""
    own = {f.name for f in (resources.files("ampacity.console") / "static").iterdir()}
    return own | {plotly_path().rpartition("/")[2]}


@get("/assets/{name:str}", sync_to_thread=True)
def asset_file(request: Asked) -> Response[bytes]:
    """A file whose name or mark changes with its content, to be kept for ever."""
    name = str(request.path_params["name"])
    if name not in known_files():
        raise NotFound(f"there is no file {name}")
    plain, packed = _content(name)
    headers = {"Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
    body = plain
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"
        body = packed
    return Response(body, media_type=_KINDS[name.rpartition(".")[2]], headers=headers)
