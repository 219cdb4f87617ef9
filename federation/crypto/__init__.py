"""The mathematics: set intersection, encrypted sums, masks, sealing."""
