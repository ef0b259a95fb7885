"""Secrets and personal data do not reach a log, however they are logged."""

import io
import logging
import logging.config

import pytest
import uvicorn.config

from aisle.serve.redact import SecretFilter, install_log_filter, redact

KEY = "aisle_0123456789ab_" + "s3cr3t-" * 6 + "x"
TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2lnbmF0dXJlLXNlY3JldA"


@pytest.mark.parametrize(
    "text",
    [
        f"request with {KEY}",
        f"Authorization: Bearer {KEY}",
        f"{{'authorization': 'Bearer {TOKEN}'}}",
        "Authorization: Bearer sEcReT-of-no-known-form",
        "headers {'authorization': b'Basic sEcReTOnlyBase64='}",
        f"headers [(b'authorization', b'Bearer {TOKEN}')]",
        f"Cookie: aisle={TOKEN}; theme=dark",
        "GET /search?api_key=sEcReT-vAlUe-123&q=ink",
        "password='sEcReT-vAlUe-123'",
        "https://user:sEcReT-vAlUe-123@host/path",
        "OPENAI_API_KEY=sEcReT-vAlUe-123",
        "used sk-sEcReTvAlUe1234567890",
        "-----BEGIN RSA PRIVATE KEY-----\nsEcReT-vAlUe-123\n-----END RSA PRIVATE KEY-----",
    ],
)
def test_secrets_are_taken_out(text):
    cleaned = redact(text)
    for part in ("s3cr3t", "sEcReT", "c2lnbmF0", "eyJzdWIi"):
        assert part not in cleaned


def test_what_is_no_secret_stays():
    text = "took 12.5 ms, sort key price, query 'brother mfc-240c', key 0123456789ab, status 200"
    assert redact(text) == text


@pytest.fixture
def logged():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(SecretFilter())
    logger = logging.getLogger("aisle.test_redact")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield logger, stream
    logger.removeHandler(handler)


def test_messages_arguments_and_tracebacks(logged):
    logger, stream = logged
    logger.info("key %s of %s", KEY, "anna@example.com")
    logger.info("headers %s", {"authorization": f"Bearer {TOKEN}"})
    logger.info("wrong %d arguments %s", KEY)
    try:
        raise ValueError(f"cannot use {KEY} for 13800138000")
    except ValueError:
        logger.exception("failed")
    text = stream.getvalue()
    assert "Traceback" in text
    assert "aisle_0123456789ab_<secret>" in text  # the id may stand, so that the key can be found
    for secret in ("s3cr3t", "anna", "eyJzdWIi", "13800138000"):
        assert secret not in text


def test_uvicorns_own_logs_are_cleaned_too():
    config = {**uvicorn.config.LOGGING_CONFIG, "disable_existing_loggers": False}
    before = {name: logging.getLogger(name).handlers[:] for name in ("uvicorn", "uvicorn.access", "uvicorn.error")}
    logging.config.dictConfig(config)
    try:
        stream = io.StringIO()
        handler = logging.getLogger("uvicorn.access").handlers[0]
        handler.setStream(stream)
        install_log_filter()
        logging.getLogger("uvicorn.access").info(
            '%s - "%s %s HTTP/%s" %d', "127.0.0.1:5", "GET", f"/search?q=anna@example.com&token={TOKEN}", "1.1", 200
        )
        assert "GET /search?q=<email>" in stream.getvalue()
        assert "eyJ" not in stream.getvalue()
    finally:
        for name, handlers in before.items():
            logging.getLogger(name).handlers[:] = handlers


def test_the_filter_is_put_on_once():
    root = logging.getLogger()
    handler = logging.StreamHandler(io.StringIO())
    root.addHandler(handler)
    try:
        install_log_filter()
        install_log_filter()
        assert sum(isinstance(one, SecretFilter) for one in handler.filters) == 1
    finally:
        for one in root.handlers:
            one.filters = [held for held in one.filters if not isinstance(held, SecretFilter)]
        root.removeHandler(handler)
