"""News from apps: verified, kept once, matched to a case, folded; or parked, adopted, quarantined. Never dropped."""
