"""The Shared Record: what a customer reads, compares and exports behind a link."""
