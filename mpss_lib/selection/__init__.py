"""Selection: choice of features, blind to the outcome."""
