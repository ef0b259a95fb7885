"""Judgments that deserve a second look: likely wrong grades, pairs that stand twice, raters who disagree."""
