"""The routes of the page in one place; `aisle.serve.app` serves them."""

from __future__ import annotations

from fastapi import APIRouter

from aisle.serve.pages import assets, compare, dashboard, judge, rules, search, sign_in

PAGE_ROUTERS: tuple[tuple[str, APIRouter], ...] = (
    ("", search.router),
    ("", compare.router),
    ("", judge.router),
    ("", dashboard.router),
    ("", rules.router),
    ("", sign_in.router),
    ("", assets.router),
)
"""Prefix and router, as `aisle.serve.app.ROUTERS` has them."""
