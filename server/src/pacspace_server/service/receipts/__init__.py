"""Receipts: JSON, page, PDF, CSV and verifiable file, and access to them."""
