"""Applied Model Card v0.2 of the Coalition for Health AI: the card, and its schema.

``schema.xsd`` is the Coalition's own, unchanged, under the licence beside it. ``signature.xsd`` is this product's: the
schema imports XML signatures from an address on the web, and a card written here is never signed, so an empty stand-in
lets it be checked without a network.
"""
