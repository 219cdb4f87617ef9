"""The fedrecall program."""
