"""The composition root: one method for each thing a user can do.

The shell and the web edge parse, call one method here, and format what comes back.
"""
