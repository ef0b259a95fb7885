"""Fine-tuning a few parameters of a BERT in place of all: for encoders and cross-encoders alike."""
