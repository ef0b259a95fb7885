"""Requests as spans: sent over OTLP to a real receiver with OpenTelemetry, a clear error without."""

import http.server
import importlib.util
import threading

import pytest

from aisle.errors import OptionalDependencyError
from aisle.serve.alarms import open_monitoring
from aisle.serve.facts import Facts

SDK = importlib.util.find_spec("opentelemetry") is not None and all(
    importlib.util.find_spec(f"opentelemetry.{part}") is not None for part in ("sdk", "exporter", "proto")
)


@pytest.mark.skipif(SDK, reason="OpenTelemetry is installed")
def test_without_opentelemetry_the_cure_is_told(tmp_path):
    with pytest.raises(OptionalDependencyError, match="tracing requests needs the package 'opentelemetry-sdk'"):
        open_monitoring(tmp_path, {"log": False, "traces": True})


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.mark.skipif(not SDK, reason="needs opentelemetry-sdk and its OTLP exporter")
def test_requests_arrive_as_spans(tmp_path, monkeypatch):
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.got = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
    monitoring = open_monitoring(tmp_path, {"log": False, "traces": True})
    (observer,) = monitoring.observers
    shared = {"method": "GET", "route": "/v1/search", "request_id": "r1", "query": "jane@example.com"}
    observer(Facts(**shared, status=200, total_ms=12.5, searched=True, stages={"dense": 4.5}))
    observer(Facts(**shared, status=500, total_ms=1.0))
    monitoring.close()
    server.shutdown()
    server.server_close()
    thread.join()
    assert [path for path, _ in server.got] == ["/v1/traces"]
    (resource,) = ExportTraceServiceRequest.FromString(server.got[0][1]).resource_spans
    names = {pair.key: pair.value.string_value for pair in resource.resource.attributes}
    assert names["service.name"] == "aisle"
    good, bad = resource.scope_spans[0].spans
    assert good.name == "GET /v1/search"
    assert good.end_time_unix_nano - good.start_time_unix_nano == 12_500_000
    assert {pair.key: pair.value.double_value for pair in good.attributes}["aisle.stage.dense_ms"] == 4.5
    assert (good.status.code, bad.status.code) == (0, 2)
    assert b"jane" not in server.got[0][1]
