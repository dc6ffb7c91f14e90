"""The stories' lines in Dutch, by story: what the patient list says to a Dutch reader."""

from __future__ import annotations

TELLS: dict[str, str] = {
    "new-diabetes": "Diabetes uit het niets bij een slanke vrouw die 7 kg is afgevallen; net begonnen met metformine.",
    "jaundice-head": "Pijnloze geelzucht met donkere urine; de enzymen wijzen op een afgesloten galgang.",
    "folfirinox-falling": "Uitgezaaid naar de lever, fit, vierde kuur eerstelijns FOLFIRINOX te ondertekenen; "
    "CA 19-9 daalt.",
    "gemnab-rising": "Uitgezaaid naar lever en buikvlies, valt af; gemcitabine + nab-paclitaxel te ondertekenen; "
    "CA 19-9 stijgt.",
    "cholestasis": "Galgangstenen met koliek en geelzucht; CA 19-9 alleen hoog omdat de gal niet weg kan.",
    "lewis-negative": "Uitgezaaid naar de long; maakt geen CA 19-9 aan; alleen gemcitabine te ondertekenen.",
    "ipmn-followup": "IPMN onder controle, pancreas vorige maand op MRI gezien; afgevallen, met buikpijn.",
    "chronic-pancreatitis": "Chronische pancreatitis en al lang diabetes; buikpijn die nieuw is.",
    "gbrca-olaparib": "BRCA2 in de kiembaan, uitgezaaid, stabiel op olaparib na platina; gewichtsverlies en rugpijn.",
    "brca2-carrier": "Gezond; draagt een BRCA2-variant in de kiembaan, haar moeder had alvleesklierkanker; de pancreas "
    "is nooit afgebeeld.",
    "msi-high": "Uitgezaaid naar de lever, MSI-H; NALIRIFOX te ondertekenen; niemand heeft de performancestatus "
    "vastgelegd.",
    "dpyd-variant": "Uitgezaaid naar de lever, eerste FOLFIRINOX te ondertekenen; vorige week kwamen DPYD *1/*2A en "
    "UGT1A1 *28/*28 terug.",
    "resected-adjuvant": "Whipple-operatie acht weken geleden, pT3 pN1 graad 3; adjuvante gemcitabine + capecitabine "
    "te ondertekenen.",
    "missing-data": "Gewichtsverlies genoteerd aan de balie; geen labuitslag, geen lengte, geen rookstatus vastgelegd.",
    "wrong-unit": "Gewichtsverlies en diarree; de labkoppeling stuurt HbA1c in g/L en glucose zonder eenheid.",
    "dutch-new-diabetes": "Het eerste verhaal in een Nederlands ziekenhuis: eigen labcodes, mmol/L en mmol/mol, ICD-10 "
    "en ATC.",
    "deceased": "Twaalf dagen geleden overleden; de week ervoor was geelzucht vastgelegd.",
    "hospice": "In een hospice vanwege hartfalen; is geel geworden.",
    "two-labs": "Uitgezaaid, eerste bezoek; alleen albumine, neutrofielen en lymfocyten zijn bekend; gemcitabine te "
    "ondertekenen.",
    "referred": "Geel; de CT van de buik is drie dagen geleden aangevraagd en moet nog komen.",
    "no-complaints": "Chronische pancreatitis en al lang diabetes bij een roker; geen enkele klacht, hier voor "
    "controle.",
    "phantom-mass": "Gegenereerde CT van de buik, nog niet verslagen: een massa in de klier met een wijde gang "
    "erachter.",
    "phantom-clear": "Gegenereerde CT van de buik wegens pijn die over is: niets te vinden, en dat is geen "
    "geruststelling.",
    "phantom-elsewhere": "Geboekt als CT van de buik, maar de klier is niet in beeld: het antwoord is dat er geen is.",
    "phantom-response": "Twee gegenereerde CT's, voor en na acht weken behandeling: de massa is kleiner geworden.",
    "phantom-today": "Ligt nu op tafel voor zijn CT: laat de scanner hem versturen en zie de kaart van wachten naar "
    "gelezen gaan.",
}
