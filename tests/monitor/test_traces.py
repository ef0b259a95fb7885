"""Requests as spans: sent over OTLP to a real receiver, as part of a client's trace; the cure where there is no SDK."""

import http.server
import sys
import threading

import pytest
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.errors import OptionalDependencyError
from aisle.monitor.records import read_log
from aisle.serve.alarms import open_monitoring
from aisle.serve.app import Outside, create_app
from aisle.serve.facts import Facts
from aisle.serve.settings import Settings
from aisle.types import Product

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("hidden", "named"),
    [
        ("opentelemetry.sdk.trace", "opentelemetry-sdk"),
        ("opentelemetry.exporter.otlp.proto.http.trace_exporter", "opentelemetry-exporter-otlp-proto-http"),
    ],
)
def test_without_opentelemetry_the_cure_is_told(tmp_path, monkeypatch, hidden, named):
    monkeypatch.setitem(sys.modules, hidden, None)
    with pytest.raises(OptionalDependencyError, match=f"tracing requests needs the package '{named}'"):
        open_monitoring(tmp_path, {"log": False, "traces": True})


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.got = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def resources(server):
    for _, body in server.got:
        yield from ExportTraceServiceRequest.FromString(body).resource_spans


def spans(server):
    """Those that arrived, by the request's id."""
    found = [span for one in resources(server) for scope in one.scope_spans for span in scope.spans]
    return {pair.value.string_value: span for span in found for pair in span.attributes if "request_id" in pair.key}


def test_requests_arrive_as_spans(tmp_path, receiver):
    monitoring = open_monitoring(tmp_path, {"log": False, "traces": True})
    (observer,) = monitoring.observers
    shared = {"method": "GET", "route": "/v1/search", "query": "jane@example.com"}
    observer(Facts(**shared, request_id="r1", status=200, total_ms=12.5, searched=True, stages={"dense": 4.5}))
    observer(Facts(**shared, request_id="r2", status=500, total_ms=1.0))
    monitoring.close()
    assert [path for path, _ in receiver.got] == ["/v1/traces"]
    (resource,) = resources(receiver)
    names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert names["service.name"] == "aisle"
    found = spans(receiver)
    good, bad = found["r1"], found["r2"]
    assert (good.name, good.kind) == ("GET /v1/search", Span.SPAN_KIND_SERVER)
    assert good.end_time_unix_nano - good.start_time_unix_nano == 12_500_000
    assert {pair.key: pair.value.double_value for pair in good.attributes}["aisle.stage.dense_ms"] == 4.5
    assert (good.status.code, bad.status.code) == (0, 2)
    assert good.trace_id != bad.trace_id
    assert (good.parent_span_id, bad.parent_span_id) == (b"", b"")
    assert b"jane" not in receiver.got[0][1]


HEADERS = {
    "sampled": (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("tracestate", "shop=a"), ("tracestate", "other=b, x@y=c")),
    "unsampled": (("traceparent", f"00-{TRACE}-{PARENT}-00"),),
    "a later version says more": (("traceparent", f"cc-{TRACE}-{PARENT}-01-what-the-future-brings"),),
    "a state that is none is left out": (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("tracestate", "shop=a,=b")),
    "no header": (),
    "version ff": (("traceparent", f"ff-{TRACE}-{PARENT}-01"),),
    "more than version 00 has": (("traceparent", f"00-{TRACE}-{PARENT}-01-more"),),
    "no trace": (("traceparent", f"00-{'0' * 32}-{PARENT}-01"),),
    "no parent": (("traceparent", f"00-{TRACE}-{'0' * 16}-01"),),
    "upper case": (("traceparent", f"00-{TRACE.upper()}-{PARENT}-01"),),
    "short": (("traceparent", f"00-{TRACE[:-1]}-{PARENT}-01"),),
    "two": (("traceparent", f"00-{TRACE}-{PARENT}-01"),) * 2,
    "nonsense": (("traceparent", "\xff; drop"), ("tracestate", "shop=a")),
    "a state alone": (("tracestate", "shop=a"),),
}
"""By the W3C's Trace Context: the first four are valid, and of the rest each begins a trace of its own."""
OURS = list(HEADERS)[4:]


def test_a_client_s_trace_is_gone_on_with(tmp_path, receiver):
    """All of it over a real service; the log of requests names the trace."""
    engine = SearchEngine.build([Product("1", "USB hub")], tmp_path / "shop", encoder=EmbeddedEncoder())
    asked = {}
    with engine:
        outside = Outside(tables={"monitor": {"traces": True}}, suggestions=False)
        with TestClient(create_app(engine, Settings(), outside)) as client:
            for case, headers in HEADERS.items():
                raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
                answer = client.get("/v1/search", params={"q": "usb"}, headers=raw)
                assert answer.status_code == 200
                asked[answer.headers["x-request-id"]] = case
    found = {asked[request_id]: span for request_id, span in spans(receiver).items()}
    assert set(found) == set(HEADERS) - {"unsampled"}  # the client decided not to send it
    records = read_log(tmp_path / "shop.state" / "requests").records
    logged = {asked[record.request_id]: record.trace_id for record in records}
    assert set(logged) == set(HEADERS)
    for case in ("sampled", "a later version says more", "a state that is none is left out"):
        assert (found[case].trace_id.hex(), found[case].parent_span_id.hex(), logged[case]) == (TRACE, PARENT, TRACE)
    assert logged["unsampled"] == TRACE
    assert found["sampled"].trace_state == "shop=a,other=b,x@y=c"
    assert found["a state that is none is left out"].trace_state == ""
    for case in OURS:
        assert (found[case].parent_span_id, found[case].trace_state) == (b"", "")
        assert found[case].trace_id.hex() == logged[case] != TRACE
    assert len({logged[case] for case in OURS}) == len(OURS)


def test_a_service_without_traces_names_none(tmp_path):
    engine = SearchEngine.build([Product("1", "USB hub")], tmp_path / "shop", encoder=EmbeddedEncoder())
    with engine, TestClient(create_app(engine, Settings(), Outside(suggestions=False))) as client:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        assert client.get("/v1/search", params={"q": "usb"}, headers=headers).status_code == 200
    (record,) = read_log(tmp_path / "shop.state" / "requests").records
    assert record.trace_id == ""
