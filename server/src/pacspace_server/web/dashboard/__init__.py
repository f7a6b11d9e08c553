"""The dashboard: the pages under /app, for the vendor.

A page is a function in its own module and a line in `routes.py`: method, path, function, required role, and menu entry.
`guard.py` identifies the user and checks the role before the function runs; `desk.py` has what every page needs. Pages
call services, never the database, and work without JavaScript.
"""
