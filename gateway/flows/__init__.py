"""What happens to a report, one slice each. Slices are strangers: they meet in rows that the ledger wrote."""
