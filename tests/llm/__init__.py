"""Asking language models, against a real server and a real small model."""
