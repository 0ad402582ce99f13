"""`gateway config dry-run`: which of the last reports a changed map or rule would send elsewhere. Changes nothing."""
