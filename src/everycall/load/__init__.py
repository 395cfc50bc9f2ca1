"""From a sealed part to rows in a sink. Knows nothing of the network, of passes or of re-reads."""
