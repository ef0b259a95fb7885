"""Judging: queues for people, agreement of raters, adjudication, and language models that must pass before they judge.

Judgments are lines of `aisle.judgments.given`, so the terminal, the service's page and a language model write one form.
"""
