"""The pages under /app, for people who bill.

A page is a function in its own module and a line in `routes.py`: method, path, function, the role it demands, and
its place in the menu if it has one. `guard.py` finds out who asks and refuses users without the role, before the function
runs; `desk.py` is what every page works with. Pages ask services and never the database, and work without JavaScript.
"""
