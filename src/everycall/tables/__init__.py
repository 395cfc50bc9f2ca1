"""What can be made of a conversation, as data."""
