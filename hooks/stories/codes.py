"""The codes the stories are written in: one row an analyte, condition, drug, study or order.

Two flavours of the same hospital world: ``us`` reports LOINC, SNOMED CT with ICD-10-CM and RxNorm in conventional
units; ``nl`` reports a laboratory's own codes, SNOMED CT with ICD-10 and ATC in SI units. Routine means and spreads
are those of a healthy adult; they only fill the years around a story.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Flavour = Literal["us", "nl"]

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"
UCUM = "http://unitsofmeasure.org"
DCM = "http://dicom.nema.org/resources/ontology/DCM"
AJCC = "http://cancerstaging.org"
HGNC = "http://www.genenames.org/geneId"
FINDING = "urn:cds:finding"
"""This service's own codes for imaging findings that have no general one."""
EXPRESSION = "urn:cds:gene-expression"
"""This service's own system for the expression of one gene, by HGNC symbol: no public code exists."""
LOCAL_LABS = "https://example-ziekenhuis.nl/labcodes"
"""Codes of the Dutch example hospital's laboratory: only a site's ConceptMap can tell what they mean."""


@dataclass(frozen=True)
class Reported:
    """How one flavour reports an analyte."""

    unit: str
    ucum: str
    mean: float
    spread: float
    decimals: int = 1


@dataclass(frozen=True)
class Analyte:
    loinc: str
    display: str
    us: Reported
    nl: Reported
    local: str = ""
    """Code in ``LOCAL_LABS``; empty where the Dutch hospital uses LOINC too (vital signs, scores)."""
    local_display: str = ""
    category: Literal["laboratory", "vital-signs", "survey", "exam", "imaging"] = "laboratory"
    system: str = LOINC

    def reported(self, flavour: Flavour) -> Reported:
        return self.us if flavour == "us" else self.nl


def _same(
    unit: str, ucum: str, mean: float, spread: float, decimals: int = 1, nl_unit: str = "", nl_ucum: str = ""
) -> tuple[Reported, Reported]:
    """The same number in both flavours; at most the unit is spelled differently."""
    return (
        Reported(unit, ucum, mean, spread, decimals),
        Reported(nl_unit or unit, nl_ucum or nl_unit or ucum, mean, spread, decimals),
    )


def _cells(mean: float, spread: float, decimals: int = 1) -> tuple[Reported, Reported]:
    return _same("10*3/uL", "10*3/uL", mean, spread, decimals, "10^9/L", "10*9/L")


_SERUM = "[Enzymatic activity/volume] in Serum or Plasma"
_COUNT = "[#/volume] in Blood by Automated count"

ANALYTES: dict[str, Analyte] = {
    "ca19-9": Analyte("83084-4", "Cancer Ag 19-9 [Units/volume] in Serum or Plasma by Immunoassay",
                      *_same("U/mL", "U/mL", 11, 3, 0, "kU/L", "k[IU]/L"), "CA199", "CA 19-9"),
    "hba1c": Analyte("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood",
                     Reported("%", "%", 5.4, 0.12), Reported("mmol/mol", "mmol/mol", 36, 1.2, 0), "HBA1C", "HbA1c"),
    "fasting-glucose": Analyte("1558-6", "Fasting glucose [Mass/volume] in Serum or Plasma",
                               Reported("mg/dL", "mg/dL", 91, 3, 0), Reported("mmol/L", "mmol/L", 5.0, 0.15),
                               "GLUN", "Glucose nuchter"),
    "bilirubin": Analyte("1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma",
                         Reported("mg/dL", "mg/dL", 0.6, 0.1), Reported("µmol/L", "umol/L", 10, 1.7, 0),
                         "BILT", "Bilirubine totaal"),
    "alp": Analyte("6768-6", f"Alkaline phosphatase {_SERUM}", *_same("U/L", "U/L", 78, 8, 0), "AF",
                   "Alkalische fosfatase"),
    "alt": Analyte("1742-6", f"Alanine aminotransferase {_SERUM}", *_same("U/L", "U/L", 24, 4, 0), "ALAT", "ALAT"),
    "ast": Analyte("1920-8", f"Aspartate aminotransferase {_SERUM}", *_same("U/L", "U/L", 23, 3, 0), "ASAT", "ASAT"),
    "ggt": Analyte("2324-2", f"Gamma glutamyl transferase {_SERUM}", *_same("U/L", "U/L", 27, 5, 0), "GGT", "Gamma-GT"),
    "albumin": Analyte("1751-7", "Albumin [Mass/volume] in Serum or Plasma",
                       Reported("g/dL", "g/dL", 4.4, 0.1), Reported("g/L", "g/L", 44, 1, 0), "ALB", "Albumine"),
    "crp": Analyte("1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", *_same("mg/L", "mg/L", 2.2, 0.6),
                   "CRP", "CRP"),
    "haemoglobin": Analyte("718-7", "Hemoglobin [Mass/volume] in Blood",
                           Reported("g/dL", "g/dL", 14.1, 0.3), Reported("mmol/L", "mmol/L", 8.8, 0.2),
                           "HB", "Hemoglobine"),
    "platelets": Analyte("777-3", f"Platelets {_COUNT}", *_cells(245, 18, 0), "TROM", "Trombocyten"),
    "leukocytes": Analyte("6690-2", f"Leukocytes {_COUNT}", *_cells(6.8, 0.5), "LEUK", "Leukocyten"),
    "neutrophils": Analyte("751-8", f"Neutrophils {_COUNT}", *_cells(4.0, 0.3), "NEUT", "Neutrofiele granulocyten"),
    "lymphocytes": Analyte("731-0", f"Lymphocytes {_COUNT}", *_cells(1.9, 0.15, 2), "LYMF", "Lymfocyten"),
    "monocytes": Analyte("742-7", f"Monocytes {_COUNT}", *_cells(0.45, 0.05, 2), "MONO", "Monocyten"),
    "creatinine": Analyte("2160-0", "Creatinine [Mass/volume] in Serum or Plasma",
                          Reported("mg/dL", "mg/dL", 0.9, 0.06, 2), Reported("µmol/L", "umol/L", 78, 5, 0),
                          "KREA", "Kreatinine"),
    "weight": Analyte("29463-7", "Body weight", *_same("kg", "kg", 78, 0.5), category="vital-signs"),
    "height": Analyte("8302-2", "Body height", *_same("cm", "cm", 170, 0.0, 0), category="vital-signs"),
    "bmi": Analyte("39156-5", "Body mass index (BMI) [Ratio]", *_same("kg/m2", "kg/m2", 27, 0.2),
                   category="vital-signs"),
    "heart-rate": Analyte("8867-4", "Heart rate", *_same("/min", "/min", 72, 5, 0), category="vital-signs"),
    "temperature": Analyte("8310-5", "Body temperature", *_same("Cel", "Cel", 36.7, 0.2), category="vital-signs"),
    "ecog": Analyte("89247-1", "ECOG Performance Status score", *_same("{score}", "{score}", 0, 0, 0),
                    category="survey"),
    "cyst-size": Analyte("cyst-size", "Largest diameter of cyst of pancreas", *_same("mm", "mm", 0, 0, 0),
                         category="imaging", system=FINDING),
    "main-duct": Analyte("main-pancreatic-duct-diameter", "Diameter of main pancreatic duct",
                         *_same("mm", "mm", 0, 0, 0), category="imaging", system=FINDING),
    "tumour-size": Analyte("21889-1", "Size Tumor", *_same("mm", "mm", 0, 0, 0), category="exam"),
    "nodes-positive": Analyte("21893-3", "Regional lymph nodes positive [#] Specimen",
                              *_same("{#}", "{#}", 0, 0, 0), category="exam"),
    "nodes-examined": Analyte("21894-1", "Regional lymph nodes examined [#] Specimen",
                              *_same("{#}", "{#}", 0, 0, 0), category="exam"),
    "nodes-negative": Analyte("nodes-negative", "Number of examined lymph nodes without metastasis",
                              *_same("{#}", "{#}", 0, 0, 0), category="exam", system=FINDING),
    "urine-creatinine": Analyte("2161-8", "Creatinine [Mass/volume] in Urine",
                                Reported("mg/dL", "mg/dL", 100, 20, 0), Reported("g/L", "g/L", 1.0, 0.2)),
    "urine-lyve1": Analyte("urine-lyve1", "LYVE1 in urine", *_same("ng/mL", "ng/mL", 1, 0, 2), system=FINDING),
    "urine-reg1b": Analyte("urine-reg1b", "REG1B in urine", *_same("ng/mL", "ng/mL", 30, 0, 0), system=FINDING),
    "urine-tff1": Analyte("urine-tff1", "TFF1 in urine", *_same("ng/mL", "ng/mL", 100, 0, 0), system=FINDING),
}  # fmt: skip

USUAL: dict[str, dict[Flavour, tuple[float | None, float]]] = {
    "ca19-9": {"us": (None, 37), "nl": (None, 37)},
    "fasting-glucose": {"us": (70, 99), "nl": (4.0, 6.0)},
    "bilirubin": {"us": (0.2, 1.2), "nl": (None, 17)},
}
"""Reference ranges the example laboratories send with a result, in their own unit; made up after common ones."""

ROUTINE_LABS = (
    "hba1c", "fasting-glucose", "bilirubin", "alp", "alt", "ast", "ggt", "albumin", "crp", "haemoglobin",
    "platelets", "leukocytes", "neutrophils", "lymphocytes", "monocytes", "creatinine",
)  # fmt: skip


@dataclass(frozen=True)
class Term:
    """A condition, procedure or study: SNOMED CT where there is one, and the classification of each country."""

    text: str
    text_nl: str
    snomed: str = ""
    snomed_display: str = ""
    cm: str = ""
    """ICD-10-CM."""
    who: str = ""
    """ICD-10 of the WHO."""


CONDITIONS: dict[str, Term] = {
    "pdac": Term("Pancreatic ductal adenocarcinoma", "Ductaal adenocarcinoom van de pancreas", "792907004",
                 "Pancreatic ductal adenocarcinoma", "C25.9", "C25.9"),
    "pdac-head": Term("Pancreatic ductal adenocarcinoma, head", "Ductaal adenocarcinoom van de pancreaskop",
                      "792907004", "Pancreatic ductal adenocarcinoma", "C25.0", "C25.0"),
    "pancreas-cancer": Term("Malignant tumour of pancreas", "Maligne tumor van pancreas", "363418001",
                            "Malignant tumor of pancreas", "C25.9", "C25.9"),
    "liver-metastasis": Term("Liver metastases", "Levermetastasen", "94381002", "Secondary malignant neoplasm of liver",
                             "C78.7", "C78.7"),
    "lung-metastasis": Term("Lung metastases", "Longmetastasen", "94391008", "Secondary malignant neoplasm of lung",
                            "", "C78.0"),
    "peritoneal-metastasis": Term("Peritoneal metastases", "Peritoneale metastasen", "188445006",
                                  "Secondary malignant neoplasm of retroperitoneum and peritoneum", "C78.6", "C78.6"),
    "type-2-diabetes": Term("Type 2 diabetes mellitus", "Diabetes mellitus type 2", "44054006",
                            "Diabetes mellitus type 2", "E11.9", "E11.9"),
    "jaundice": Term("Jaundice", "Geelzucht", "18165001", "Jaundice", "R17", "R17"),
    "weight-loss": Term("Unexplained weight loss", "Onverklaard gewichtsverlies", "267024001", "Abnormal weight loss",
                        "R63.4", "R63.4"),
    "anorexia": Term("Loss of appetite", "Verminderde eetlust", cm="R63.0", who="R63.0"),
    "cachexia": Term("Cachexia", "Cachexie", cm="R64", who="R64"),
    "abdominal-pain": Term("Abdominal pain", "Buikpijn", "21522001", "Abdominal pain", "R10.9", "R10.4"),
    "back-pain": Term("Back pain", "Rugpijn", "161891005", "Backache", "M54.9", "M54.9"),
    "diarrhoea": Term("Diarrhoea", "Diarree", "62315008", "Diarrhea", "R19.7"),
    "nausea": Term("Nausea", "Misselijkheid", "422587007", "Nausea", "R11.0", "R11"),
    "chronic-pancreatitis": Term("Chronic pancreatitis", "Chronische pancreatitis", "235494005",
                                 "Chronic pancreatitis", "K86.1", "K86.1"),
    "ipmn": Term("Branch-duct IPMN of the pancreas, under surveillance", "IPMN (zijtak) van de pancreas, in controle",
                 cm="K86.2", who="K86.2"),
    "gallstones": Term("Stones in the common bile duct", "Galstenen in de galgang", "235919008", "Cholelithiasis"),
    "heart-failure": Term("Chronic heart failure, end stage", "Chronisch hartfalen, eindstadium", "88805009",
                          "Chronic congestive heart failure"),
    "hypertension": Term("Hypertension", "Hypertensie", "38341003", "Hypertensive disorder", "I10", "I10"),
    "hyperlipidaemia": Term("Hyperlipidaemia", "Hyperlipidemie", "55822004", "Hyperlipidemia", "E78.5", "E78.5"),
    "knee-osteoarthritis": Term("Osteoarthritis of knee", "Artrose van de knie", "239873007",
                                "Osteoarthritis of knee", "M17.9", "M17.9"),
    "sinusitis": Term("Viral sinusitis", "Virale sinusitis", "444814009", "Viral sinusitis (disorder)"),
    "bronchitis": Term("Acute bronchitis", "Acute bronchitis", "10509002", "Acute bronchitis (disorder)"),
}  # fmt: skip

PROCEDURES: dict[str, Term] = {
    "colonoscopy": Term("Colonoscopy", "Coloscopie", "73761001", "Colonoscopy"),
    "chest-x-ray": Term("Plain chest X-ray", "X-thorax", "399208008", "Plain chest X-ray"),
    "ercp": Term("ERCP", "ERCP", "386718000", "Endoscopic retrograde cholangiopancreatography"),
    "pancreatectomy": Term("Pancreatectomy", "Pancreatectomie", "33149006", "Pancreatectomy"),
    "hospice-care": Term("Hospice care", "Hospicezorg", "385763009", "Hospice care"),
}


@dataclass(frozen=True)
class Drug:
    text: str
    rxnorm: str = ""
    """RxNorm ingredient; empty where none was found for it."""
    atc: str = ""
    ingredient: str = ""
    """Display of the ingredient code where it differs from the text."""


DRUGS: dict[str, Drug] = {
    "oxaliplatin": Drug("oxaliplatin", "32592", "L01XA03"),
    "leucovorin": Drug("leucovorin (folinic acid)", "6313", "V03AF03", "leucovorin"),
    "irinotecan": Drug("irinotecan", "51499", "L01CE02"),
    "irinotecan-liposomal": Drug("irinotecan liposomal", "51499", "L01CE02", "irinotecan"),
    "fluorouracil": Drug("fluorouracil", "4492", "L01BC02"),
    "gemcitabine": Drug("gemcitabine", "12574", "L01BC05"),
    "capecitabine": Drug("capecitabine", "194000", "L01BC06"),
    # no ingredient code tells albumin-bound paclitaxel from paclitaxel: only the text does
    "nab-paclitaxel": Drug("paclitaxel protein-bound", "56946", "L01CD01", "paclitaxel"),
    "olaparib": Drug("olaparib", "1597582", "L01XK01"),
    "metformin": Drug("metformin", "6809", "A10BA02"),
    "insulin-glargine": Drug("insulin glargine", "274783", "A10AE04"),
    "pancreatic-enzymes": Drug("pancreatic enzymes", "", "A09AA02"),
    "ondansetron": Drug("ondansetron", "26225", "A04AA01"),
    "lisinopril": Drug("lisinopril", "29046", "C09AA03"),
    "amlodipine": Drug("amlodipine", "17767", "C08CA01"),
    "atorvastatin": Drug("atorvastatin", "83367", "C10AA05"),
    "omeprazole": Drug("omeprazole", "7646", "A02BC01"),
    "paracetamol": Drug("paracetamol (acetaminophen)", "161", "N02BE01", "acetaminophen"),
}

REGIMENS: dict[str, tuple[str, ...]] = {
    "folfirinox": ("oxaliplatin", "leucovorin", "irinotecan", "fluorouracil"),
    "nalirifox": ("irinotecan-liposomal", "oxaliplatin", "leucovorin", "fluorouracil"),
    "gemcitabine-nab-paclitaxel": ("nab-paclitaxel", "gemcitabine"),
}
"""Ordered as separate prescriptions, as order-entry systems do."""


@dataclass(frozen=True)
class Study:
    text: str
    modality: str
    body_site: str
    body_site_display: str
    loinc: str = ""
    loinc_display: str = ""


STUDIES: dict[str, Study] = {
    "ct-abdomen": Study(
        "CT abdomen with contrast", "CT", "818983003", "Abdomen", "79103-8", "CT Abdomen W contrast IV"
    ),
    "mr-pancreas": Study("MR of the pancreas with MRCP", "MR", "15776009", "Pancreatic structure"),
    "us-abdomen": Study("Ultrasound of the abdomen", "US", "818983003", "Abdomen"),
}
