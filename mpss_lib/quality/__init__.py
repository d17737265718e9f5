"""Quality: artefact metrics, verdict, review, pictures."""
