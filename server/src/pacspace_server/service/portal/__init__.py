"""What a customer reads, compares and downloads behind a link."""
