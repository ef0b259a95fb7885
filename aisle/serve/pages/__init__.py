"""The page: search, compare, judge, dashboard and rules, rendered on the server.

Works without JavaScript, and loads nothing from any host but its own.
"""
