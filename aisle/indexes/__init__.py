"""Where products live and candidates are found."""
