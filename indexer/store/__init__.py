"""SQL, the only truth: tables, sessions and what is done with the rows."""
