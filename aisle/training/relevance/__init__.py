"""Learning relevance from judgments: lists of judged texts in, a tuned encoder or task head out, and the gate."""
