"""One file per schema change, in order; a released one is never edited."""
