"""A finished export as a page to look at: one file of HTML that opens offline.

    figures     what a report shows, as plain values
    gathering   an export -> those values; the database adds up
    folding     what has no name of its own is added up as one
    pictures    the pictures, as specifications of Vega-Lite
    page        values -> HTML with everything in it: data, pictures, the charting library, style and script

`page.js` adds up the figures of the chosen queues and media in the browser, and draws.
"""
