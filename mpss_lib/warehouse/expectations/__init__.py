"""Great Expectations over the lake, before a snapshot is published.

Suites are data (``suites``); they read the lake's current files by name (``views``), never the
snapshot; Great Expectations judges (``engine``), and what it found becomes two lake tables, a
quarantine and a page (``checking``, ``page``). Each rule says what follows when it is broken:

==============  ==================================================================================
``stop``        the table itself is at fault (columns, grain, files): nothing is published
``quarantine``  single rows are: their study is held back, the rest is published
``warn``        it is shown, and holds nothing back
==============  ==================================================================================

Nothing here imports Great Expectations before a suite has to be run.
"""
