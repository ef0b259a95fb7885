"""From a catalogue file to clean products: read, map, clean, deduplicate, report.

Knows nothing of search: no encoder, no index.
"""
