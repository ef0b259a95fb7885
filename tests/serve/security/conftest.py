"""A real server with security around a small app."""

import asyncio
import socket
import threading
from contextlib import contextmanager
from typing import Annotated

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, Response

from aisle.serve.faults import install_faults
from aisle.serve.security import Principal, Security, SecuritySettings, install
from aisle.serve.security.guard import require


def small_app(security):
    app = FastAPI(openapi_url=None)

    @app.get("/search")
    async def search(who: Annotated[Principal, require("search")]):
        return {"who": who.id, "kind": who.kind}

    @app.post("/products")
    async def write(request: Request, who: Annotated[Principal, require("write")]):
        return {"bytes": len(await request.body())}

    @app.post("/v1/products:bulk")
    async def bulk(request: Request, who: Annotated[Principal, require("write")]):
        return {"bytes": sum([len(piece) async for piece in request.stream()])}

    @app.get("/admin")
    async def administer(who: Annotated[Principal, require("admin")]):
        return {"who": who.id}

    @app.get("/page")
    async def page(request: Request):
        return HTMLResponse("<title>page</title>")

    @app.post("/sign-in")
    async def sign_in(request: Request, key: Annotated[str, Form()]):
        _, session = await security.sign_in(request, key)
        token = security.sessions.form_token(session)
        return Response(token, headers={"Set-Cookie": security.sessions.cookie(session)})

    @app.post("/judge")
    async def judge(who: Annotated[Principal, require("judge")], grade: Annotated[str, Form()]):
        return {"grade": grade, "kind": who.kind}

    @app.post("/sign-out")
    async def sign_out(request: Request):
        session = security.session(request)
        return Response(headers={"Set-Cookie": security.sessions.end(session)})

    install_faults(app)
    install(app, security)
    return app


@contextmanager
def serving(app):
    """The app on a free port of this machine; gives a client."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", server_header=True, loop="asyncio"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
    thread.start()
    while not server.started:
        threading.Event().wait(0.01)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def serve(tmp_path):
    """``serve(**settings)`` as a context manager: (client, security)."""

    @contextmanager
    def started(**settings):
        security = Security(tmp_path / "shop.state", SecuritySettings.from_dict(settings))
        try:
            with serving(small_app(security)) as client:
                yield client, security
        finally:
            security.close()

    return started


def bearer(key):
    return {"Authorization": f"Bearer {key}"}
