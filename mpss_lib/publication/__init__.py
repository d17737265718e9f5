"""Publication: predictions and their export."""
