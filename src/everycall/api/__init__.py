"""What is sent to the API and what it answers. Pure: no clock, socket, file or thread."""
