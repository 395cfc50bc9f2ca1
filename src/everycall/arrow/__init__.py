"""Conversations as Arrow tables. Needs pyarrow: `pip install everycall[parquet]`. Import it only where it is used.

    JSON of conversations -> `nested`: Arrow's nested columns -> `flattened`: one table for each declared one

`filled.ArrowTables` is what others use. The tables themselves are declared in `tables.relational`.
"""
