"""From a catalogue file to clean products: read, clean, deduplicate, render."""
