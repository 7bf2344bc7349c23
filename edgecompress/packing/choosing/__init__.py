"""What is smallest: the search for codings."""
