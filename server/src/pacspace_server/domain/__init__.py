"""Pure rules: amounts, instants and months, posting, scopes, trees. No clock, network, storage or randomness."""
