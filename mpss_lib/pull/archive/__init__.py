"""The hospital's archive: what is asked, what it answers, and how complete that is."""
