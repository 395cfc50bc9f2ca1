"""Where rows go: one interface, one file per kind."""
