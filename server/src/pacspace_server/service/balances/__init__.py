"""Balances, comparisons, and the customers with their totals."""
