"""Loads sealed parts into sinks, as rows. It knows neither the network nor passes and re-reads."""
