"""Where products live and candidates are found. Knows products and requests, no encoders and no fusion."""
