"""Every Genesys Cloud conversation, once, and the proof of it."""
