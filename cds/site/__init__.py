"""One hospital's site: is everything in place, what do its servers give, and what will the models be able to say.

What comes out names no patient: patients are counted, codes and units are shown, values are not.
"""
