"""The proxy side of Switchman."""
