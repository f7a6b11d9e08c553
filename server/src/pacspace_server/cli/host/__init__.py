"""Commands for the operator who hosts the record."""
