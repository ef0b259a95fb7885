"""OpenTelemetry traces, off by default: each request is a span with its stages' times, sent in the background.

Where to is said by OpenTelemetry's own environment variables, such as ``OTEL_EXPORTER_OTLP_ENDPOINT``. A query is not
in a span. A client's trace is gone on with, as the W3C's Trace Context says: the span is a child of what its
``traceparent`` names, and is sent if the client decided so; headers that are no such are passed over. A stage is known
by how long it took, not by when it began, and is therefore an attribute and no span.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from aisle.errors import OptionalDependencyError
from aisle.serve.facts import Facts


class Traces:
    """An observer that makes a span of each request, and notes its trace with the request.

    Args:
        provider: OpenTelemetry's ``TracerProvider``.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("aisle")
        self._api = import_module("opentelemetry.trace")
        self._client = import_module("opentelemetry.trace.propagation.tracecontext").TraceContextTextMapPropagator()

    def __call__(self, facts: Facts) -> None:
        """Take one request; the provider's processor sends it later."""
        end = time.time_ns()
        attributes: dict[str, Any] = {
            "http.request.method": facts.method,
            "http.route": facts.route,
            "http.response.status_code": facts.status,
            "aisle.request_id": facts.request_id,
        }
        if facts.searched:
            attributes |= {
                "aisle.mode": facts.mode,
                "aisle.total": facts.total,
                "aisle.shown": facts.shown,
                "aisle.cut": facts.cut,
                "aisle.degraded": list(facts.degraded),
                "aisle.index_version": facts.index_version,
                "aisle.queue_ms": facts.queue_ms,
            }
            attributes |= {f"aisle.stage.{name}_ms": ms for name, ms in facts.stages.items()}
        span = self._tracer.start_span(
            f"{facts.method} {facts.route}",
            context=self._client.extract(facts.headers, getter=_Headers()),
            kind=self._api.SpanKind.SERVER,
            attributes=attributes,
            start_time=end - round(facts.total_ms * 1e6),
        )
        if facts.status >= 500:
            span.set_status(self._api.Status(self._api.StatusCode.ERROR))
        span.end(end)
        facts.trace_id = self._api.format_trace_id(span.get_span_context().trace_id)

    def close(self) -> None:
        """Send what waits, and end."""
        self._provider.shutdown()


class _Headers:
    """OpenTelemetry's way to the headers of a request."""

    def get(self, carrier: Sequence[tuple[bytes, bytes]], key: str) -> list[str] | None:
        """What a header says; nothing where there are two of a kind that there may be one of."""
        found = [value.decode("latin-1") for name, value in carrier if name == key.encode()]
        return found if len(found) == 1 or (found and key != "traceparent") else None

    def keys(self, carrier: Sequence[tuple[bytes, bytes]]) -> list[str]:
        """The names of the headers."""
        return [name.decode("latin-1") for name, _ in carrier]


def open_traces() -> Traces:
    """Traces over OTLP (HTTP).

    Raises:
        OptionalDependencyError: OpenTelemetry is not installed.
    """
    try:
        sdk, export = import_module("opentelemetry.sdk.trace"), import_module("opentelemetry.sdk.trace.export")
        resources = import_module("opentelemetry.sdk.resources")
        otlp = import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
    except ImportError as error:
        name = "opentelemetry-sdk" if "sdk" in str(error) else "opentelemetry-exporter-otlp-proto-http"
        raise OptionalDependencyError(name, "traces", "tracing requests") from None
    provider = sdk.TracerProvider(resource=resources.Resource.create({"service.name": "aisle"}))
    provider.add_span_processor(export.BatchSpanProcessor(otlp.OTLPSpanExporter()))
    return Traces(provider)
