"""An encoder that learns from a catalogue without labels: denoising (TSDAE) and masked words (MLM)."""
