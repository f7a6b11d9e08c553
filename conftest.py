"""For all tests of the house."""

pytest_plugins = ["testkit.leftovers"]
