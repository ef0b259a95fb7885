"""`/openapi.json`, and `/docs`: the same for people, as a page without scripts that loads nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response

from aisle.serve.access import GuardedRoute, needs
from aisle.serve.faults import MEDIA_TYPE
from aisle.serve.searching import to_json

router = APIRouter(dependencies=[needs("search")], route_class=GuardedRoute, include_in_schema=False)


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The API, for programs."""
    return Response(to_json(request.app.openapi()), media_type=MEDIA_TYPE)


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The API, for people."""
    return Response("".join(_page(request.app.openapi())), media_type="text/html; charset=utf-8")


def _page(schema: Mapping[str, Any]) -> Iterator[str]:
    title = f"{schema['info']['title']} {schema['info']['version']}"
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}: API</title>'
    yield '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">'
    yield f"</head><body><main><h1>{escape(title)}</h1><p>{escape(schema['info'].get('description', ''))} "
    yield 'For programs: <a href="/openapi.json">openapi.json</a>. Where there are keys, send one as '
    yield "<code>Authorization: Bearer KEY</code> or <code>X-API-Key: KEY</code>.</p>"
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield from _operation(method.upper(), path, operation)
    yield "<h2>Bodies</h2>"
    for name, model in schema.get("components", {}).get("schemas", {}).items():
        yield f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{escape(model.get("description", ""))}</p>'
        yield from _fields(model)
    yield "</main></body></html>"


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method} {escape(path)}</code></h2>"
    yield from (f"<p>{escape(part)}</p>" for part in operation.get("description", "").split("\n\n") if part)
    given = operation.get("parameters", [])
    if given:
        yield "<dl>"
        for one in given:
            where = f"{one['in']}, {_kind(one.get('schema', {}))}{', required' if one.get('required') else ''}"
            yield f"<dt><code>{escape(one['name'])}</code> ({escape(where)})</dt>"
            yield f"<dd>{escape(one.get('description', ''))}</dd>"
        yield "</dl>"
    for kind, body in operation.get("requestBody", {}).get("content", {}).items():
        name = body.get("schema", {}).get("$ref", "").rpartition("/")[2]
        link = f': <a href="#{escape(name)}">{escape(name)}</a>' if name else ""
        yield f"<p>Body {escape(kind)}{link}</p>"
        if "example" in body:
            yield _shown(body["example"])
    for status, answer in operation.get("responses", {}).items():
        yield f"<p>{escape(status)}: {escape(answer.get('description', ''))}</p>"
        for body in answer.get("content", {}).values():
            if "example" in body:
                yield _shown(body["example"])


def _fields(model: Mapping[str, Any]) -> Iterator[str]:
    yield "<dl>"
    for name, field in model.get("properties", {}).items():
        required = ", required" if name in model.get("required", ()) else ""
        yield f"<dt><code>{escape(name)}</code> ({escape(_kind(field))}{required})</dt>"
        yield f"<dd>{escape(field.get('description', ''))}</dd>"
    yield "</dl>"
    for example in model.get("examples", ()):
        yield _shown(example)


def _kind(schema: Mapping[str, Any]) -> str:
    """The type of a value in a few words."""
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = str(schema.get("const", schema.get("type", "any")))
    return f"{kind} of {_kind(schema['items'])}" if kind == "array" and schema.get("items") else kind


def _shown(example: Any) -> str:
    text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False, indent=2)
    return f"<pre>{escape(text)}</pre>"
