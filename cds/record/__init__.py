"""Facts out of resources: coded, in one unit, dated, each with the reference of the resource it came from."""
