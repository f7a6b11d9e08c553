"""The API's operations, each written once as a generator; the two clients list them."""
