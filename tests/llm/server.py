"""A real HTTP server that speaks the OpenAI protocol and really answers: by the cosine of the embedded encoder.

Faults can be put before answers: each request takes the next one, if there is any. Run as a program it prints its
address and serves until it is killed.
"""

from __future__ import annotations

import json
import math
import re
import sys
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

QUERY = re.compile(r"<query>(.*?)</query>", re.DOTALL)
PRODUCT = re.compile(r"<product>\n(.*?)\n</product>", re.DOTALL)
QWEN = re.compile(r"<Query>: (.*?)\n<Document>: (.*?)<\|im_end\|>", re.DOTALL)
LINE = re.compile(r"^(?:title|description|标题|描述): (.*)$", re.MULTILINE)
KINDS = {"pointwise": ("yes or no", "yes 或 no"), "graded": ("digit", "数字"), "pairwise": ("A or B", "A 或 B")}


class Judge:
    """What it answers. ``bias`` is what the model likes about what stands first; ``spoken`` gives no probabilities."""

    def __init__(self):
        from aisle.encoders.embedded import EmbeddedEncoder

        self.encoder = EmbeddedEncoder(threads=1)
        self.vectors = {}
        self.lock = threading.Lock()
        self.bias, self.spoken = 0.0, False
        self.orders = None
        """Instead of the right order of a list: text of the products' numbers to text of the answer."""

    def vector(self, text, kind):
        with self.lock:
            if (text, kind) not in self.vectors:
                self.vectors[text, kind] = self.encoder.encode([text], kind)[0]
            return self.vectors[text, kind]

    def cosine(self, query, product):
        text = " ".join(LINE.findall(product)) or product
        return float(self.vector(query, "query") @ self.vector(text, "product"))

    def answer(self, system, user):
        """Text, and candidates of its first token with their probabilities."""
        (query,) = QUERY.findall(user)
        cosines = [self.cosine(query, found) for found in PRODUCT.findall(user)]
        kind = next((name for name, marks in KINDS.items() if any(m in system for m in marks)), "listwise")
        if kind == "pointwise":
            return self.two("yes", "no", 12 * (cosines[0] - 0.4))
        if kind == "graded":
            levels = np.arange(4)
            weights = np.exp(-4 * (levels - 3 * cosines[0]) ** 2)
            shares = {str(level): float(w) for level, w in zip(levels, weights / weights.sum(), strict=True)}
            return max(shares, key=shares.get), shares
        if kind == "pairwise":
            return self.two("A", "B", 20 * (cosines[0] - cosines[1]) + self.bias)
        best = sorted(range(len(cosines)), key=lambda i: -(cosines[i] + self.bias * (len(cosines) - i)))
        text = " > ".join(f"[{i + 1}]" for i in best)
        return (self.orders(text) if self.orders else text), {}

    @staticmethod
    def two(first, second, logit):
        chance = 1 / (1 + math.exp(-logit))
        return (first if logit >= 0 else second), {first: chance, second: 1 - chance}

    def completion(self, prompt):
        query, document = QWEN.findall(prompt)[-1]
        return self.two("yes", "no", 12 * (self.cosine(query, document) - 0.4))


class LlmServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, judge=None, key="", delay=0.0):
        super().__init__(("127.0.0.1", 0), Handler)
        self.judge, self.key, self.delay = judge or Judge(), key, delay
        self.faults, self.bodies, self.headers = deque(), [], []
        self.count = threading.Lock()
        self.under_way = self.most = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request, client_address):
        pass  # a client that went away

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each body waits 40 ms for the other side to confirm the head

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.send(200, {"object": "list", "data": [{"id": "judge", "object": "model", "created": 0, "owned_by": "us"}]})

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.count:
            server.bodies.append(body)
            server.headers.append(dict(self.headers))
            server.under_way += 1
            server.most = max(server.most, server.under_way)
            fault = server.faults.popleft() if server.faults else None
        try:
            time.sleep(server.delay)
            if server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                said = f"Incorrect API key provided: {self.headers.get('Authorization', '')[7:]}"
                self.send(401, {"error": {"message": said, "code": "invalid_api_key"}})
            elif fault is not None:
                fault(self, body)
            else:
                self.answer(body)
        finally:
            with server.count:
                server.under_way -= 1

    def answer(self, body):
        judge = self.server.judge
        size = len(json.dumps(body, ensure_ascii=False).encode())
        usage = {"prompt_tokens": size // 4, "completion_tokens": 3, "total_tokens": size // 4 + 3}
        head = {"id": "1", "created": 0, "model": body["model"], "usage": usage}
        if self.path.endswith("/chat/completions"):
            system = next((m["content"] for m in body["messages"] if m["role"] == "system"), "")
            text, shares = judge.answer(system, body["messages"][-1]["content"])
            logprobs = None
            if shares and body.get("logprobs") and not judge.spoken:
                top = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in shares.items()]
                first = max(top, key=lambda found: found["logprob"])
                logprobs = {"content": [first | {"top_logprobs": top}], "refusal": None}
            message = {"role": "assistant", "content": text, "refusal": None}
            choice = {"index": 0, "finish_reason": "stop", "message": message, "logprobs": logprobs}
            self.send(200, head | {"object": "chat.completion", "choices": [choice]})
        else:
            text, shares = judge.completion(body["prompt"])
            top = {token: math.log(share) for token, share in shares.items()}
            logprobs = {"tokens": [text], "token_logprobs": [top[text]], "top_logprobs": [top], "text_offset": [0]}
            choice = {"index": 0, "finish_reason": "length", "text": text}
            choice["logprobs"] = logprobs if "logprobs" in body else None
            self.send(200, head | {"object": "text_completion", "choices": [choice]})

    def send(self, status, data, headers=(), kind="application/json"):
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


# --- faults ------------------------------------------------------------------------------------------------


def status(code, said="busy", headers=(), error_code=None):
    return lambda handler, body: handler.send(code, {"error": {"message": said, "code": error_code}}, headers)


def raw(data, kind="application/json"):
    return lambda handler, body: handler.send(200, data, kind=kind)


def close(handler, body):
    """The connection ends without an answer."""
    handler.close_connection = True
    handler.connection.close()


def cut(handler, body):
    """The connection ends in the middle of an answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    close(handler, body)


def hang(handler, body):
    """Nothing comes for a while."""
    time.sleep(1.5)
    handler.close_connection = True


def drip(handler, body):
    """A byte now and then, so that no single read is too slow."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.close_connection = True
    for _ in range(30):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


if __name__ == "__main__":
    with LlmServer(delay=float(sys.argv[1])) as server:
        print(server.url, flush=True)
        time.sleep(600)
