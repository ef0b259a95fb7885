"""Judges any ranking against judgments: per-query values, intervals, paired comparison, report."""
