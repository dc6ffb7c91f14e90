"""The stories: one row a patient. Everything here is invented; no row stands for a person.

To add one, add a row: the years around it, the ids and the FHIR come from ``build``.
"""

from __future__ import annotations

from hooks.stories.story import Expect, Story, Unit


def _view(*topics: str, reason: str = "", words: str) -> Expect:
    return Expect("patient-view", topics, reason, words)


def _sign(*topics: str, reason: str = "", words: str) -> Expect:
    return Expect("order-sign", topics, reason, words)


_KNOWN = _view(reason="known-cancer", words="No risk card: the cancer is known. Prognosis is not offered on opening.")
_OTHER_ORDER = _sign(reason="no-regimen", words="Not chemotherapy for pancreatic cancer: nothing to say.")

STORIES: tuple[Story, ...] = (
    Story(
        id="new-diabetes",
        given="Nora",
        age=67,
        sex="female",
        tells="Diabetes out of the blue in a slim woman who has lost 7 kg; metformin just started.",
        height=168,
        smoking="ex",
        series={
            "fasting-glucose": "-400:97 -30:141",
            "hba1c": "-400:5.6 -30:7.4",
            "weight": "-410:79.2 -215:76.0 -20:71.9",
        },
        problems="type-2-diabetes@-25 weight-loss@-20",
        drugs="metformin@-25",
        drafts=("metformin",),
        expects=(
            _view(
                "ng12-weight-loss",
                "endpac-high",
                words="Weight loss with new-onset diabetes at 67: CT within 2 weeks (NG12 1.2.5). END-PAC 9 "
                "(glucose 97 -> 141 mg/dL = 3, weight loss over 6 kg a year = 6, age 60-69 = 0), high. QCancer about "
                "0.4 in 100: below the threshold. An override snoozes the topic; opening the chart again is silent.",
            ),
            _OTHER_ORDER,
        ),
    ),
    Story(
        id="jaundice-head",
        given="Jonas",
        age=71,
        sex="male",
        tells="Painless jaundice with dark urine; enzymes point to an obstructed bile duct.",
        height=178,
        smoking="ex",
        series={
            "bilirubin": "-6:12.4",
            "alp": "-6:540",
            "ggt": "-6:910",
            "alt": "-6:160",
            "ast": "-6:132",
            "ca19-9": "-5:880",
            "weight": "-380:188 -6:182",
        },
        units={"weight": Unit("lb", "[lb_av]")},
        problems="jaundice@-7",
        studies="us-abdomen@-5",
        drafts=("ondansetron",),
        expects=(
            _view(
                "ng12-jaundice",
                words="Jaundice at 71: suspected cancer pathway referral (NG12 1.2.4). The CT of three weeks ago was "
                "cancelled, the ultrasound is no CT or MR: neither silences the card. CA 19-9 is not evidence while "
                "bilirubin is 12.4 mg/dL.",
            ),
            _OTHER_ORDER,
        ),
    ),
    Story(
        id="folfirinox-falling",
        given="Felix",
        age=58,
        sex="male",
        tells="Metastatic to the liver, fit, fourth cycle of first-line FOLFIRINOX to sign; CA 19-9 falls.",
        height=181,
        series={
            "ca19-9": "-60:2140 -30:1180 -4:410",
            "bilirubin": "-4:0.8",
            "albumin": "-4:3.9",
            "crp": "-4:6.5",
            "neutrophils": "-4:4.6",
            "lymphocytes": "-4:1.60",
            "monocytes": "-4:0.55",
            "ecog": "-4:0",
            "weight": "-200:84.0 -60:82.5 -4:83.1",
            "tumour-size": "-52:48",
        },
        problems="pdac-head@-60 liver-metastasis@-52",
        stage_four=-50,
        given_cycles="folfirinox@-46 folfirinox@-32 folfirinox@-18",
        studies="ct-abdomen@-52",
        drafts=("folfirinox",),
        expects=(
            _view(
                "marker-falling",
                words="No risk card: the cancer is known. CA 19-9 2140 -> 410 U/mL since the start, bilirubin normal: "
                "falling, to be read with the next CT. Prognosis is not offered on opening.",
            ),
            _sign(
                "survival",
                words="Complete data: ECOG 0, liver only, no cachexia, SIRI 1.6. Worst, typical and best case, 6, 12 "
                "and 24 months with intervals, trial and real-world figure side by side. CA 19-9 fell by 81 % with "
                "normal bilirubin.",
            ),
        ),
    ),
    Story(
        id="gemnab-rising",
        given="Gerda",
        age=74,
        sex="female",
        tells="Metastatic to liver and peritoneum, losing weight; gemcitabine + nab-paclitaxel to sign; CA 19-9 rises.",
        height=162,
        smoking="daily",
        series={
            "ca19-9": "-75:640 -40:1270 -3:2980",
            "bilirubin": "-3:0.9",
            "albumin": "-3:3.2",
            "crp": "-3:38",
            "neutrophils": "-3:7.4",
            "lymphocytes": "-3:1.10",
            "monocytes": "-3:0.90",
            "ecog": "-3:1",
            "weight": "-300:66.0 -90:61.5 -3:57.8",
            "tumour-size": "-38:61",
        },
        problems="pdac@-75 liver-metastasis@-38 peritoneal-metastasis@-38 cachexia@-20",
        stage_four=-36,
        given_cycles="gemcitabine-nab-paclitaxel@-36 gemcitabine-nab-paclitaxel@-29 gemcitabine-nab-paclitaxel@-22",
        findings=("expression",),
        studies="ct-abdomen@-38",
        drafts=("gemcitabine-nab-paclitaxel",),
        expects=(
            _view(
                "marker-rising",
                words="No risk card: the cancer is known. CA 19-9 1270 at the start, 2980 U/mL now, bilirubin normal "
                "at the latter: review and CT, no word of stopping.",
            ),
            _sign(
                "survival",
                words="ECOG 1, liver and peritoneum, cachexia, SIRI 6.1: a markedly worse outlook than the trial's "
                "typical patient, shown beside the trial figure. No regimen is preferred on observational terms.",
            ),
        ),
    ),
    Story(
        id="cholestasis",
        given="Carla",
        age=58,
        sex="female",
        tells="Bile duct stones with colic and jaundice; CA 19-9 high only because bile can't flow.",
        height=165,
        series={
            "bilirubin": "-3:9.8",
            "alp": "-3:410",
            "ggt": "-3:620",
            "alt": "-3:210",
            "crp": "-3:24",
            "ca19-9": "-3:412",
            "weight": "-370:82.4 -3:82.0",
        },
        problems="jaundice@-4 gallstones@-3 abdominal-pain@-4",
        studies="us-abdomen@-3",
        expects=(
            _view(
                "ng12-jaundice",
                words="Jaundice at 58 fires NG12 1.2.4 by rule. CA 19-9 412 U/mL is read with bilirubin 9.8 mg/dL and "
                "must not be counted as evidence of cancer.",
            ),
        ),
    ),
    Story(
        id="lewis-negative",
        given="Levi",
        age=63,
        sex="male",
        tells="Metastatic to the lung; makes no CA 19-9 at all; gemcitabine alone to sign.",
        height=174,
        smoking="ex",
        series={
            "ca19-9": "-120:<2 -60:<2 -5:<2",
            "bilirubin": "-5:0.7",
            "albumin": "-5:3.6",
            "crp": "-5:14",
            "neutrophils": "-5:5.8",
            "lymphocytes": "-5:1.30",
            "monocytes": "-5:0.70",
            "ecog": "-5:2",
            "weight": "-150:76.0 -5:73.9",
        },
        problems="pdac@-120 lung-metastasis@-100",
        stage_four=-98,
        studies="ct-abdomen@-100",
        drafts=("gemcitabine",),
        expects=(
            _view(
                "marker-not-made",
                words="No risk card: the cancer is known. Three values below 2 U/mL: the marker can't be followed.",
            ),
            _sign(
                "survival",
                words="ECOG 2, lung metastases. CA 19-9 always below 2 U/mL: Lewis-negative, the marker says nothing "
                "and its low value is no good sign.",
            ),
        ),
    ),
    Story(
        id="ipmn-followup",
        given="Ivo",
        age=66,
        sex="male",
        tells="IPMN under surveillance, pancreas seen on MR last month; lost weight with abdominal pain.",
        height=176,
        series={
            "weight": "-390:83.0 -30:77.5",
            "ca19-9": "-32:14",
            "cyst-size": "-760:19 -395:22 -30:25",
            "main-duct": "-30:3",
        },
        problems="ipmn@y-4 weight-loss@-40 abdominal-pain@-45",
        studies="mr-pancreas@-395 mr-pancreas@-30",
        expects=(
            _view(
                "cyst-worrisome",
                reason="recent-imaging",
                words="NG12 1.2.5 would fire, but the pancreas was imaged 30 days ago: silent, with the study named in "
                "the ledger. The cyst grew from 22 to 25 mm in a year: worrisome by Kyoto (2.5 mm a year or more), not "
                "by the European guideline (5 mm a year or more). One card, the more careful leads.",
            ),
        ),
    ),
    Story(
        id="chronic-pancreatitis",
        given="Karel",
        age=69,
        sex="male",
        tells="Chronic pancreatitis and long-standing diabetes; abdominal pain that is new.",
        height=178,
        smoking="ex",
        series={
            "weight": "-370:72.0 -10:71.3",
            "hba1c": "-10:7.3",
            "fasting-glucose": "-10:153",
            # he takes part in a study of urine: only a policy that runs the research panel reads it
            "urine-creatinine": "-12:88",
            "urine-lyve1": "-12:2.4",
            "urine-reg1b": "-12:96",
            "urine-tff1": "-12:410",
        },
        usual={"hba1c": 7.2, "fasting-glucose": 155},
        problems="chronic-pancreatitis@y-9 type-2-diabetes@y-8 abdominal-pain@-15",
        drugs="metformin@-700 insulin-glargine@-500 pancreatic-enzymes@-900",
        drafts=("pancreatic-enzymes",),
        expects=(
            _view(
                "qcancer-raised",
                words="QCancer about 3.6 in 100 over 2 years (chronic pancreatitis, type 2 diabetes, new abdominal "
                "pain, ex-smoker, 69). No weight loss: NG12 is silent. Diabetes is not new: END-PAC does not apply.",
            ),
            _OTHER_ORDER,
        ),
    ),
    Story(
        id="gbrca-olaparib",
        given="Bruna",
        age=61,
        sex="female",
        tells="Germline BRCA2, metastatic, stable on olaparib maintenance after platinum; weight loss and back pain.",
        height=170,
        series={
            "ca19-9": "-420:960 -200:88 -14:61",
            "albumin": "-14:3.8",
            "neutrophils": "-14:3.1",
            "lymphocytes": "-14:1.20",
            "monocytes": "-14:0.50",
            "ecog": "-14:1",
            "haemoglobin": "-14:11.2",
            "weight": "-430:70.0 -14:65.5",
        },
        problems="pdac@-420 liver-metastasis@-415 weight-loss@-30 back-pain@-35",
        stage_four=-412,
        findings=("gbrca2",),
        given_cycles="folfirinox@-400 folfirinox@-386 folfirinox@-372 folfirinox@-358",
        drugs="olaparib@-210",
        studies="ct-abdomen@-415 ct-abdomen@-120",
        drafts=("olaparib",),
        expects=(
            _view(
                "gbrca-in-use",
                words="No risk card: the cancer is known. Germline BRCA2 with olaparib on record: the POLO figures, "
                "survival not longer among them. Her mother's cancer is on record, too.",
            ),
            _sign(
                reason="no-regimen",
                words="Olaparib is maintenance, not a first-line regimen: no survival card.",
            ),
        ),
    ),
    Story(
        id="brca2-carrier",
        given="Cora",
        age=47,
        sex="female",
        tells="Well; carries a germline BRCA2 variant, her mother had pancreatic cancer; the pancreas never imaged.",
        height=169,
        findings=("gbrca2",),
        expects=(
            _view(
                "surveillance-offer",
                words="A BRCA2 variant and an affected first-degree relative, 47 years: surveillance can be offered "
                "from 45 (CAPS 2020). Baseline MRI with MRCP, endoscopic ultrasound, glucose or HbA1c; no CA 19-9.",
            ),
        ),
    ),
    Story(
        id="msi-high",
        given="Mila",
        age=65,
        sex="female",
        tells="Metastatic to the liver, MSI-H; NALIRIFOX to sign; nobody has recorded the performance status.",
        height=171,
        series={
            "ca19-9": "-25:318",
            "bilirubin": "-6:0.7",
            "albumin": "-6:4.1",
            "crp": "-6:9",
            "neutrophils": "-6:5.1",
            "lymphocytes": "-6:1.80",
            "monocytes": "-6:0.60",
            "weight": "-180:74.0 -6:73.0",
        },
        problems="pdac-head@-30 liver-metastasis@-24",
        stage_four=-22,
        findings=("msi-high",),
        studies="ct-abdomen@-24",
        drafts=("nalirifox",),
        expects=(
            _view(
                "msi-option",
                words="No risk card: the cancer is known. MSI-high: pembrolizumab was studied, with its response.",
            ),
            _sign(
                "survival",
                "dpyd-not-tested",
                words="ECOG is missing: the card says so and shows how the estimate would move from ECOG 0 to 2. "
                "Before the first fluorouracil no DPYD result is on record.",
            ),
        ),
    ),
    Story(
        id="dpyd-variant",
        given="Dora",
        age=63,
        sex="female",
        tells="Metastatic to the liver, first FOLFIRINOX to sign; DPYD *1/*2A and UGT1A1 *28/*28 came back last week.",
        height=167,
        series={
            "ca19-9": "-20:1450",
            "bilirubin": "-5:0.6",
            "albumin": "-5:4.0",
            "crp": "-5:8",
            "neutrophils": "-5:4.9",
            "lymphocytes": "-5:1.70",
            "monocytes": "-5:0.52",
            "ecog": "-5:1",
            "weight": "-170:69.0 -5:67.5",
            "tumour-size": "-18:39",
        },
        problems="pdac@-22 liver-metastasis@-18",
        stage_four=-17,
        findings=("pharmacogenes",),
        studies="ct-abdomen@-18",
        drafts=("folfirinox",),
        expects=(
            _KNOWN,
            _sign(
                "survival",
                "dpyd-reduce",
                "ugt1a1-reduce",
                words="Two genes, two drugs of one regimen: half the starting dose of fluorouracil (CPIC, activity "
                "score 1), 70% of irinotecan (DPWG). The survival estimate stands beside them, unchanged.",
            ),
        ),
    ),
    Story(
        id="resected-adjuvant",
        given="Rosa",
        age=66,
        sex="female",
        tells="Whipple operation eight weeks ago, pT3 pN1 grade 3; adjuvant gemcitabine + capecitabine to sign.",
        height=165,
        series={
            "ca19-9": "-90:420 -12:31",
            "bilirubin": "-12:0.6",
            "albumin": "-12:3.9",
            "neutrophils": "-12:4.2",
            "lymphocytes": "-12:1.70",
            "monocytes": "-12:0.50",
            "ecog": "-12:1",
            "weight": "-200:71.0 -12:66.5",
            # of the resected tumour: only a policy that runs the nomogram reads these
            "tumour-size": "-50:44",
            "nodes-positive": "-50:2",
            "nodes-examined": "-50:19",
            "nodes-negative": "-50:17",
        },
        problems="pdac-head@-80",
        procedures="pancreatectomy@-56",
        pathology="pt3@-50 pn1@-50 grade-3@-50",
        studies="ct-abdomen@-78",
        drafts=("gemcitabine", "capecitabine"),
        expects=(
            _KNOWN,
            _sign(
                "resected-outlook",
                "dpyd-not-tested",
                words="An estimate after resection, no number in the headline, only if she wants to know. The subtype "
                "is unknown: the interval is wider for it. Before the first capecitabine no DPYD result is on "
                "record.",
            ),
        ),
    ),
    Story(
        id="missing-data",
        given="Mona",
        age=68,
        sex="female",
        tells="Weight loss noted at the desk; no laboratory result, no height, no smoking status on file.",
        height=None,
        smoking=None,
        history="sparse",
        problems="weight-loss@-12",
        expects=(
            _view(
                reason="below-threshold",
                words="Weight loss alone: no second symptom for NG12 1.2.5. END-PAC lacks glucose and weights. QCancer "
                "about 0.2 in 100 with assumed values. Nothing to say; the report page lists what is missing.",
            ),
        ),
    ),
    Story(
        id="wrong-unit",
        given="Willem",
        age=63,
        sex="male",
        tells="Weight loss and diarrhoea; the laboratory interface sends HbA1c in g/L and glucose without a unit.",
        height=180,
        smoking="ex",
        series={
            "hba1c": "-395:5.5 -28:7.6",
            "fasting-glucose": "-395:99 -28:148",
            "weight": "-400:91.0 -20:84.6",
        },
        units={"hba1c": Unit("g/L", "g/L"), "fasting-glucose": Unit("")},
        problems="weight-loss@-20 diarrhoea@-24",
        expects=(
            _view(
                "ng12-weight-loss",
                words="NG12 1.2.5 needs no laboratory value and fires. END-PAC abstains and says why: glucose came "
                "without a unit, HbA1c in g/L; neither is guessed.",
            ),
        ),
    ),
    Story(
        id="dutch-new-diabetes",
        given="Neeltje",
        age=67,
        sex="female",
        tells="Story one in a Dutch hospital: local laboratory codes, mmol/L and mmol/mol, ICD-10 and ATC.",
        flavour="nl",
        height=168,
        smoking="ex",
        series={
            "fasting-glucose": "-400:5.4 -30:7.8",
            "hba1c": "-400:38 -30:57",
            "weight": "-410:79.2 -215:76.0 -20:71.9",
        },
        problems="type-2-diabetes@-25 weight-loss@-20",
        drugs="metformin@-25",
        drafts=("metformin",),
        expects=(
            _view(
                "ng12-weight-loss",
                "endpac-high",
                words="The same cards as story one, in Dutch and in mmol/L, once the site's ConceptMap names the local "
                "codes: END-PAC 9 (5.4 -> 7.8 mmol/L).",
            ),
            _OTHER_ORDER,
        ),
    ),
    Story(
        id="deceased",
        given="Dirk",
        age=76,
        sex="male",
        tells="Died twelve days ago; jaundice was recorded the week before.",
        height=173,
        series={"bilirubin": "-20:8.1", "weight": "-300:80.0 -20:72.0"},
        problems="jaundice@-20 weight-loss@-40",
        died=-12,
        expects=(_view(reason="deceased", words="The patient has died: silence."),),
    ),
    Story(
        id="hospice",
        given="Hilda",
        age=84,
        sex="female",
        tells="In hospice care for heart failure; has become jaundiced.",
        height=160,
        series={"bilirubin": "-8:6.9", "weight": "-300:61.0 -8:52.0"},
        problems="heart-failure@y-5 jaundice@-9 weight-loss@-60",
        orders="hospice-care@-40",
        expects=(
            _view(
                reason="hospice-or-palliative",
                words="Comfort comes first: no urgent referral is proposed in hospice care.",
            ),
        ),
    ),
    Story(
        id="two-labs",
        given="Tobias",
        age=70,
        sex="male",
        tells="Metastatic, first visit; only albumin, neutrophils and lymphocytes are known; gemcitabine to sign.",
        height=175,
        series={"albumin": "-2:3.5", "neutrophils": "-2:8.6", "lymphocytes": "-2:1.10"},
        without=("monocytes",),
        problems="pdac@-20 liver-metastasis@-15",
        stage_four=-14,
        drafts=("gemcitabine",),
        expects=(
            _KNOWN,
            _sign(
                "survival-fallback",
                words="No monocytes and no ECOG: the full model abstains. MSK Prognostic Score 2 (albumin 3.5 g/dL, "
                "NLR 7.8) speaks instead, and the card says what the two missing values would add.",
            ),
        ),
    ),
    Story(
        id="referred",
        given="Ruth",
        age=72,
        sex="female",
        tells="Jaundiced; the CT of the abdomen was ordered three days ago and is still to come.",
        height=166,
        series={"bilirubin": "-4:7.2", "alp": "-4:380", "weight": "-360:69.0 -4:67.8"},
        problems="jaundice@-4",
        orders="ct-abdomen@-3",
        expects=(_view(reason="work-up-ordered", words="The investigation is under way: no need to say it again."),),
    ),
    Story(
        id="no-complaints",
        given="Cas",
        age=74,
        sex="male",
        tells="Chronic pancreatitis and long-standing diabetes in a smoker; no complaint at all, here for a check.",
        height=176,
        smoking="daily",
        series={"weight": "-370:76.0 -10:75.8", "hba1c": "-10:7.1"},
        usual={"hba1c": 7.1},
        problems="chronic-pancreatitis@y-9 type-2-diabetes@y-8",
        drugs="metformin@-700 pancreatic-enzymes@-900",
        expects=(
            _view(
                reason="below-threshold",
                words="No symptom and diabetes that is not new: NG12 is silent. QCancer about 0.6 in 100 over 2 years: "
                "below the threshold. Only a policy that runs unverified models shows a five-year risk.",
            ),
        ),
    ),
)
