"""The processes of a service: a supervisor, the workers that answer, the writer that writes."""
