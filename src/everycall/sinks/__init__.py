"""The kinds of output: one interface, and one module for each kind."""
