"""A catalogue as a service: `aisle.serve.app.create_app` for one process, `aisle serve` for several with one writer.

Nothing is imported here: the writer needs no web framework, and is back sooner without it.
"""
