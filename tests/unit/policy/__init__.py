"""The policy room: configuration turned into decisions."""
