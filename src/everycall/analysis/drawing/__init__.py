"""Draws a time line: where everything stands (`scale`, `layout`), as text, as SVG, as a page. Pure.

scale    instants -> positions; long gaps are cut, and said so
layout   a Timeline -> rows of bars and marks with positions
looks    what kinds of bars look like, and what the legend says
events   a Timeline -> what happened, one thing after the other
text     lines for a terminal of some width
svg      a picture that opens by itself
html     a page with pictures and tables
safe     foreign text in pictures and pages
"""
