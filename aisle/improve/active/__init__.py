"""Which pairs to judge next: for the model that learns from them, or for the figure that compares two systems."""
