"""Text messages to reporters without an account: from the outbox to whoever sends them on."""
