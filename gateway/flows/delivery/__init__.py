"""Carrying commands to apps: claim, attempt, outcome, look, settle."""
