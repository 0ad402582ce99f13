"""What people at an agency's desk see and do: what waits for them, what could not be delivered, and the way out."""
