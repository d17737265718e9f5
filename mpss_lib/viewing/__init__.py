"""What people look at: the published snapshot and the lake's pictures, made ready for pages.

Nothing here writes, and nothing here knows the vault.
"""
