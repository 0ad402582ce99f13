"""Machinery that flows stand on: identity, edge, policy, host, ledger, coordination."""
