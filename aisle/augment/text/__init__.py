"""Changes of queries and titles."""
