"""Following a report: what its reporter and the agencies that work on it may see, and what they add to it."""
