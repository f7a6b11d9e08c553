"""What was recorded adds up to: balances, comparisons, customers."""
