"""What is read out of a finished export: key figures, and what is made of them.

    opening         a destination, opened for reading with SQL
    emitted         in which half hour and queue a metric row counts, in Python
    reconciling     the metrics of an export against the vendor's aggregates
    summary         what an export amounts to; flat_summary: the same of CSV

The key figures themselves are declared in `tables.kpis`, since databases have them as views.
"""
