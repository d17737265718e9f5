"""Added value as a clinical journal wants it: out-of-sample predictions judged, with intervals."""
