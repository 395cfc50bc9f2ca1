"""Conversations as Arrow tables. Needs pyarrow: `pip install everycall[parquet]`. Import it only where it is used.

    JSON of conversations -> `counted`, or else `nested`: Arrow's nested columns -> `flattened`: the declared tables

`filled.ArrowTables` is what others use. The tables themselves are declared in `tables.relational`.
"""
