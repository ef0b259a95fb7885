"""More training data from what there is: changed texts and images, each with its provenance. Knows no model."""
