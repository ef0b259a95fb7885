"""Distillation: what teachers say of unlabelled pairs into a small encoder that is served, and the gate."""
