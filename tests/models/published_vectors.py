"""Answers of the published models, worked out from their published form by others: what our graphs must reproduce."""

from __future__ import annotations

from typing import NamedTuple


class Qcancer(NamedTuple):
    inputs: dict[str, float]
    risk: float
    """Of the whole multinomial, all sites."""


QCANCER = (
    Qcancer({"male": 0, "age": 65, "bmi": 27, "smoking": 0}, 0.00035845958351804475),
    Qcancer(
        {
            "male": 0,
            "age": 70,
            "bmi": 22,
            "smoking": 3,
            "weight_loss": 1,
            "abdominal_pain": 1,
            "type_2_diabetes": 1,
        },
        0.07537917290379538,
    ),
    Qcancer({"male": 1, "age": 60, "bmi": 30, "smoking": 1}, 0.0004073165071625065),
    Qcancer(
        {
            "male": 1,
            "age": 72,
            "bmi": 24,
            "smoking": 4,
            "weight_loss": 1,
            "abdominal_pain": 1,
            "type_2_diabetes": 1,
            "constipation": 1,
        },
        0.206617472073318,
    ),
    Qcancer(
        {"male": 1, "age": 68, "bmi": 26, "smoking": 0, "appetite_loss": 1, "venous_thromboembolism": 1},
        0.006568053859819437,
    ),
)


class Pantheia(NamedTuple):
    log_siri: float
    diameters: float
    regimen: int
    ecog: int
    cacs: int
    lp: float
    median: float
    """Months, published to one decimal."""


PANTHEIA = (
    Pantheia(0.7419, 8, 0, 0, 0, 3.510754, 24.3),
    Pantheia(2.0, 3, 1, 1, 1, 2.450849, 8.4),
    Pantheia(-0.5, 0, 2, 2, 1, 2.019244, 5.5),
)

# END-PAC, Sharma 2018 Table 1; each row (value, points), the borders and their nearest neighbours. A change in weight
# is read to the table's one decimal; one halfway counts as the smaller
ENDPAC_GLUCOSE = ((60, 1), (99.9, 1), (100, 2), (109.9, 2), (110, 3), (125.9, 3), (126, 4), (160.9, 4), (161, 5))
ENDPAC_WEIGHT = (
    (-20, 6), (-6.0, 6), (-5.988, 6), (-5.96, 6), (-5.95, 4), (-5.9, 4), (-4.0, 4), (-3.992, 4), (-3.96, 4),
    (-3.95, 2), (-3.9, 2), (-2.0, 2), (-1.996, 2), (-1.96, 2), (78.05 - 80, 0), (-1.95, 0), (-1.94, 0), (-1.9, 0),
    (0, 0), (1.9, 0), (1.94, 0), (1.95, 0), (1.96, -2), (1.996, -2), (2.0, -2), (3.9, -2), (3.95, -2), (3.96, -4),
    (4.0, -4), (5.9, -4), (5.95, -4), (5.96, -6), (6.0, -6), (20, -6),
)  # fmt: skip
ENDPAC_AGE = ((50, -1), (59, -1), (59.99, -1), (60, 0), (69, 0), (69.99, 0), (70, 1), (92, 1))
