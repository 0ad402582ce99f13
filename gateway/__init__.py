"""Barru's gateway for citizens' reports: one door in front of the apps of the regency."""
