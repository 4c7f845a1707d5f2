"""A program: there is nothing in it to import."""
