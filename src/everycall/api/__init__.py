"""The requests to the API and its answers. Pure: no clock, socket, file or thread."""
