"""What the book takes from the code while it is built; a page names a part by a place for it."""
