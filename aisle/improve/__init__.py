"""Better judgments and models from a whole engine: synthesis, judging, active learning, hygiene, robustness."""
