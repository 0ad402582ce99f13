"""Taking reports in: check, plan, open in one act, answer. What was accepted is never lost."""
