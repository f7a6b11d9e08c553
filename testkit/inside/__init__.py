"""The part of the test kit that knows the server from inside: records, engines, rooms."""
