"""What the rooms of the service share: context, caller, errors, lookups, lockouts."""
