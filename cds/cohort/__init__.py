"""One model on one cohort file: read in the model's terms, asked as it is, judged.

::

    columns.Form ──► reading.read ──► the shipped graph, row by row ──► measured ──► page

``measures`` holds the statistics, by which the fits in ``models/`` are judged, too. Nothing here knows a disease, and
no row of a cohort is written anywhere: what leaves are counts, figures and a picture. Needs the extra ``validate``.
"""
