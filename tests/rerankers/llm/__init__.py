"""Language models as re-rankers, behind a real server and as a real small model."""
