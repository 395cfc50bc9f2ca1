"""From an interval to proven parts on filesystem. Knows nothing of columns, names or formats."""
