"""Changes of a catalogue, and who makes them: this process, or the one writer that all workers ask."""
