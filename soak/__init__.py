"""The fault campaign: servers that are killed, starved and lied to while they record, and checked after every blow.

`points`, `disk`, `bugs` and `program` run inside the server's process and know its parts. All else is black box: it
knows HTTP, files, commands and the wire to PostgreSQL.
"""
