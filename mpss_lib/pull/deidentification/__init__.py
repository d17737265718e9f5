"""What may stay of an object, and how the rest goes."""
