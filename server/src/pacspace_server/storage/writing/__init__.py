"""The write rules and the group commit, the same for both engines."""
