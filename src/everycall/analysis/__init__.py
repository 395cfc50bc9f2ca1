"""What is read out of a finished export: key figures, and what is made of them.

    opening    a destination, opened for reading with SQL

The key figures themselves are declared in `tables.kpis`, since databases have them as views.
"""
