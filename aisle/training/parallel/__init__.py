"""One step of training on several processes; configurations of `accelerate` beside it."""
