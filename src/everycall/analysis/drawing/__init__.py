"""Draws a time line: as text, as SVG, as a page. Pure.

    scale     instants -> positions; long gaps are cut, and it says so
    layout    a Timeline -> rows of bars and marks with positions
    looks     what kinds of bars look like, and what they are called
    events    a Timeline -> what happened, one thing after the other
    captions  what all drawings say in the same words
    text      lines for a terminal of some width
    svg       a picture that opens by itself
    html      a page with pictures and tables
    safe      foreign text in pictures and pages

The drawings take their positions from `layout`, and nothing from each other, except that the page holds pictures.
"""
