"""Experiments of a service: a candidate scored silently, shown to some users, interleaved, or a place to explore."""
