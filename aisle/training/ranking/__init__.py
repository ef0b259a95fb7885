"""Learnt combination of ranking features: data, fit, cross-validation by query, gate, importance, card."""
