"""The registry: clinical rows and calcium scores."""
