"""The recipe of the embedded encoder: an English sentence encoder learns to read Chinese (docs/encoder.md)."""
