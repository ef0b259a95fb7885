"""Logs and events of a service to numbers: how it goes, what drifted, what shoppers prefer, what should wake somebody.

Pure functions over records, plus the files they come from; knows nothing of the server that writes them.
"""
