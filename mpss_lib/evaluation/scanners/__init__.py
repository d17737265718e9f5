"""Many scanners: what they explain of the features, without them, and models tried on another."""
