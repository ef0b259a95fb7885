"""Style, scripts and the icon of the page: files of the package under names that change with their content."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from fastapi import APIRouter, Request, Response

from aisle.serve.faults import Fault

router = APIRouter()
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class Assets:
    """The files of a folder, read once; nothing else can be asked for.

    Args:
        folder: Holds them.

    Attributes:
        addresses: File name to address.
    """

    def __init__(self, folder: Path) -> None:
        self._files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.suffix in _TYPES}
        self.addresses = {
            name: f"/static/{name}?v={blake2b(content, digest_size=6).hexdigest()}"
            for name, content in self._files.items()
        }

    def answer(self, name: str) -> Response:
        """A file as an answer.

        Raises:
            Fault: There is none of this name.
        """
        content = self._files.get(name)
        if content is None:
            raise Fault(404, "not_found", "there is no such file")
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return Response(content, headers=headers, media_type=_TYPES[Path(name).suffix])


@router.get("/static/{name}", include_in_schema=False)
async def static(request: Request, name: str) -> Response:
    """A file of the page."""
    found: Assets = request.app.state.pages.renderer.assets
    return found.answer(name)


@router.get("/favicon.ico", include_in_schema=False)
async def icon(request: Request) -> Response:
    """The icon, for browsers that ask without being told."""
    found: Assets = request.app.state.pages.renderer.assets
    return found.answer("icon.svg")
