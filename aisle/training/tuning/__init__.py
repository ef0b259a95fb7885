"""Search over the settings of a training recipe."""
