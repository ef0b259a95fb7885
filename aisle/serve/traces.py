"""OpenTelemetry traces, off by default: each request is a span with its stages' times, sent in the background.

Where to is said by OpenTelemetry's own environment variables, such as ``OTEL_EXPORTER_OTLP_ENDPOINT``. A query is not
in a span. Spans begin here: a client's trace is not gone on with.
"""

from __future__ import annotations

import time
from importlib import import_module
from typing import Any

from aisle.errors import OptionalDependencyError
from aisle.serve.facts import Facts


class Traces:
    """An observer that makes a span of each request.

    Args:
        provider: OpenTelemetry's ``TracerProvider``.
    """

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("aisle")

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
            f"{facts.method} {facts.route}", attributes=attributes, start_time=end - round(facts.total_ms * 1e6)
        )
        if facts.status >= 500:
            status = import_module("opentelemetry.trace")
            span.set_status(status.Status(status.StatusCode.ERROR))
        span.end(end)

    def close(self) -> None:
        """Send what waits, and end."""
        self._provider.shutdown()


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
