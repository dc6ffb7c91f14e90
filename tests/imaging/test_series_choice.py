"""The series to analyse: chosen by description, timing and content, explained, or indeterminate with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from ct_series import phantom, slices_of, stored
from orthanc import Orthanc
from pydicom.dataset import Dataset
from series_reading import notes, series_of, volume_of

from cds.imaging.dicomweb import DicomWeb, SeriesRow
from cds.imaging.pacs import Pacs
from cds.imaging.phase import Phase, made_by, said, seen, timed
from cds.imaging.reasons import Evidence, Note, Reason, Unusable
from cds.imaging.region import shows_abdomen
from cds.imaging.series import Choice, Verdict, Wanted, choose, worth_fetching
from cds.imaging.study import choose_volume

STUDY = "1.2.826.0.1.3680043.10.2"
SPACING = (4.0, 5.0, 5.0)
VOLUMES = {phase: phantom(26, 80, phase) for phase in ("native", "arterial", "portal", "delayed")}


def made(number: int, phase: str, description: str, **elements: Any) -> list[Dataset]:
    spacing = elements.pop("spacing", SPACING)
    return slices_of(
        VOLUMES[phase],
        spacing=spacing,
        study_uid=STUDY,
        series_uid=f"{STUDY}.{number}",
        SeriesDescription=description,
        **elements,
    )


def chosen(*several: list[Dataset], wanted: Wanted | None = None) -> Choice:
    return choose((series_of(datasets) for datasets in several), wanted or Wanted())


def number_of(choice: Choice) -> int:
    assert choice.chosen is not None, choice.reason
    return int(choice.chosen.series_uid.rpartition(".")[2])


# --- three witnesses


@pytest.mark.parametrize(
    ("description", "phases"),
    [
        ("Abdomen portal venous 3.0", {Phase.PORTAL}),
        ("ABD_PORTOVENEUS 2mm", {Phase.PORTAL}),
        ("Abdomen veneuze fase", {Phase.PORTAL}),
        ("Oberbauch portalvenös", {Phase.PORTAL}),
        ("Abdo-pelvien temps veineux", {Phase.PORTAL}),
        ("Thorax-abdomen PV 70s", {Phase.PORTAL}),
        ("arterieel 1mm", {Phase.ARTERIAL}),
        ("Late arterial 35 sec", {Phase.ARTERIAL}),
        ("Oberbauch spätarteriell", {Phase.ARTERIAL}),
        ("Abd parenchymal phase", {Phase.ARTERIAL}),
        ("ART + VEN abdomen", {Phase.ARTERIAL, Phase.PORTAL}),
        ("blanco bovenbuik", {Phase.NATIVE}),
        ("Abdomen w/o contrast", {Phase.NATIVE}),
        ("Non-contrast abdomen", {Phase.NATIVE}),
        ("late fase 5 min", {Phase.DELAYED}),
        ("Delayed abdomen", {Phase.DELAYED}),
        ("CT Body 3.0", set()),
        ("Abdomen", set()),
        # what lies in other words: the way of the contrast, diseases, what is denied
        ("CT abdomen with intravenous contrast", set()),
        ("met intraveneus contrast", set()),
        ("Abdomen met intraveneuze contrasttoediening", set()),
        ("Oberbauch nach intravenöser KM-Gabe", set()),
        ("injection intraveineuse", set()),
        ("ABD with I.V. contrast", set()),
        ("intra-venous contrast", set()),
        ("nonvenous", set()),
        ("non-venous phase", set()),
        ("arteriovenous malformation", set()),
        ("portal vein thrombosis", set()),
        ("Pulmonary venous", set()),
        ("endovenous laser", set()),
        ("shunt artério-veineux", set()),
        ("arterioveneuze fistel", set()),
        # glued to what stands before
        ("AbdVenous 3.0", {Phase.PORTAL}),
        ("LeberVenös", {Phase.PORTAL}),
        ("AbdPortalVenous", {Phase.PORTAL}),
        ("ThoraxAbdomenVeneus", {Phase.PORTAL}),
        ("leverveneus", {Phase.PORTAL}),
        ("TAPveineux", {Phase.PORTAL}),
        ("3.0mmVenous", {Phase.PORTAL}),
        ("Abdomen arteriovenös 3.0", {Phase.ARTERIAL, Phase.PORTAL}),
        ("Portale hypertensie protocol", {Phase.PORTAL}),
        ("portale hypertensie", set()),
        ("Abdomen/Pulm. venous", {Phase.PORTAL}),
        ("postintravenous", set()),
        ("spätvenös", {Phase.PORTAL, Phase.DELAYED}),
        ("Abdomen laatveneus", {Phase.PORTAL, Phase.DELAYED}),
        ("latevenous", {Phase.PORTAL, Phase.DELAYED}),
        ("spätportalvenös", {Phase.PORTAL, Phase.DELAYED}),
        ("Late venous", {Phase.PORTAL, Phase.DELAYED}),
        ("IV contrast, portoveneuze fase", {Phase.PORTAL}),
        ("CT Abdomen without intravenous contrast", {Phase.NATIVE}),
        ("zonder intraveneus contrast", {Phase.NATIVE}),
        ("Oberbauch ohne intravenöses KM", {Phase.NATIVE}),
        ("W/O I.V. CONTRAST", {Phase.NATIVE}),
        ("Abdomen zonder", {Phase.NATIVE}),
        ("without oral contrast, venous", {Phase.PORTAL}),
        ("Abdomen w/o oral contrast", set()),
        *((name, set()) for name in ("TC addome senza mdc orale", "sin contraste oral", "sans contraste oral")),
        ("sin contraste oral ni rectal, fase portal", {Phase.PORTAL}),
        ("senza mdc per os, fase venosa", {Phase.PORTAL}),
        ("with and without contrast", set()),
        # written without umlauts, with loose ones, and what is later still
        ("Abd ven spaet 3.0 B30f", {Phase.PORTAL, Phase.DELAYED}),
        ("Leber spaet 3.0", {Phase.DELAYED}),
        ("Spa\u0308tphase Leber", {Phase.DELAYED}),
        ("Leber portalvenoes", {Phase.PORTAL}),
        ("Leber verzoegert", {Phase.DELAYED}),
        ("Oberbauch Ausscheidungsphase", {Phase.DELAYED}),
        ("buik vertraagd", {Phase.DELAYED}),
        ("AX RENAL DELAYS", {Phase.DELAYED}),
        ("70 SEC DELAYS", {Phase.PORTAL}),
        ("Abd nephro 3.0", {Phase.DELAYED}),
        ("nefrografische fase", {Phase.DELAYED}),
        ("frueharteriell", {Phase.ARTERIAL}),
        ("Ven. Phase, kein spaet", {Phase.PORTAL}),
        ("Portaal veneus, geen vroeg arterieel", {Phase.PORTAL}),
        # short, glued or of another maker's language
        *(
            (name, {Phase.PORTAL})
            for name in ("p.v.", "Abd p.v. 3.0", "AbdPV", "AbdPV 3.0 Br40", "ThoraxAbdPV", "3mmPV")
        ),
        *(
            (name, {Phase.PORTAL})
            for name in ("PVphase", "PV Phase", "pvfase", "Abd PV70s", "AbdPV70s", "LiverPV", "PVen")
        ),
        *((name, {Phase.PORTAL}) for name in ("PORTVEN", "AbdPortVen", "ABD PORTV", "AbdVen 3.0", "VenPhase")),
        *((name, {Phase.PORTAL}) for name in ("Oberbauch Pfortader", "Pfortaderphase", "poortaderfase", "V. portae")),
        *((name, {Phase.PORTAL}) for name in ("fase vena porta", "temps porte", "fase portale", "fase venosa portal")),
        ("AbdPV180s", {Phase.PORTAL, Phase.DELAYED}),
        ("PV5min", {Phase.PORTAL, Phase.DELAYED}),
        *(
            (name, {Phase.ARTERIAL})
            for name in ("AbdArt 1.5", "ArtPhase", "artfase", "Abd ART35s", "HAP", "tardo-arteriosa")
        ),
        *(
            (name, {Phase.ARTERIAL})
            for name in ("Pankreasphase", "pancreasfase", "pancreatic phase", "fase pancreática")
        ),
        *((name, {Phase.ARTERIAL}) for name in ("temps pancréatique", "Pancreas fase")),
        ("Pancreas fase portoveneus", {Phase.PORTAL}),
        *(
            (name, {Phase.DELAYED})
            for name in ("fase tardiva", "fase tarda", "fase escretoria", "temps retardé", "ritardata")
        ),
        *((name, {Phase.DELAYED}) for name in ("fase de eliminación", "phase d'élimination")),
        ("retard 70s", {Phase.PORTAL}),
        *((name, {Phase.NATIVE}) for name in ("AbdNativ", "NativPhase", "Leber nat 3.0", "senza mdc", "senza m.d.c.")),
        *((name, {Phase.NATIVE}) for name in ("sin contraste", "sin CIV", "non injecté", "sans inj", "o.KM", "vor KM")),
        *((name, {Phase.NATIVE}) for name in ("fase basale", "fase simple", "TC addome diretta")),
        *((name, set()) for name in ("con e senza mdc", "con y sin contraste", "m.u.o. KM", "p.o. KM", "rene sin")),
        # of the pulmonary veins, or of heart and chest, where they may be
        *((name, set()) for name in ("PV ablation", "PV Ablatie", "CT hart PV", "Herz PV", "cardiac PV", "coeur PV")),
        *(
            (name, set())
            for name in ("LA/PV", "Left atrium PV", "PV isolation", "PV mapping", "pulmonary veins PV", "Thorax PV")
        ),
        *((name, set()) for name in ("HPV", "RSPV", "PVI", "Vorhofflimmern PV")),
        *((name, {Phase.PORTAL}) for name in ("Thorax PV 70s", "Liver ablation PV", "Hartmann PV", "TAP PV", "PV lat")),
        # diseases of the portal vein, and what is denied
        *(
            (name, set())
            for name in ("Pfortaderthrombose", "poortader trombose", "hypertension portale", "trombosi portale")
        ),
        *(
            (name, set())
            for name in ("thrombose de la veine porte", "Pfortaderhochdruck", "no PV", "geen art", "kein ven")
        ),
        ("Lungenembolie, Abdomen portalvenös", {Phase.PORTAL}),
        # times after the injection, by the bounds of ``timed``
        ("Abdomen venös 180s", {Phase.PORTAL, Phase.DELAYED}),
        ("Portal 120 sec", {Phase.PORTAL, Phase.DELAYED}),
        ("Venous 4 min", {Phase.PORTAL, Phase.DELAYED}),
        ("Abd Pel PV 2min", {Phase.PORTAL, Phase.DELAYED}),
        ("Abdomen_2.5_min", {Phase.DELAYED}),
        ("Abdomen 72 Sek.", {Phase.PORTAL}),
        ("Leber 35/70s", {Phase.ARTERIAL, Phase.PORTAL}),
        ("ABD/PEL 70 SEC DELAY", {Phase.PORTAL}),
        ("ABD_DELAY_70s", {Phase.PORTAL}),
        ("delay 3 min", {Phase.DELAYED}),
        ("Abd spaet 70s", {Phase.PORTAL, Phase.DELAYED}),
        # no times: increments, turns of the gantry, kernels, thickness, counts, projections
        ("Abd ven 5s", {Phase.PORTAL}),
        ("Abd ven 0.35 s", {Phase.PORTAL}),
        ("Abd 3.0 s", set()),
        ("Abd 1.5 mm B30s", set()),
        ("Abd 30 sections", set()),
        ("Abd 999 s", set()),
        ("Abd 5 min IP", set()),
        # how long a breath is held, in the languages of scanners; what may be a delay is one
        ("Oberbauch Atemstopp 20s", set()),
        ("Atem-Anhalten 25 Sek.", set()),
        ("breathhold 15s", set()),
        ("Breath-Hold_20_s", set()),
        ("BH 18s", set()),
        ("apneu 20 s", set()),
        ("Abd apnoe 20s", set()),
        ("apnée 20 s", set()),
        ("ademstilstand: 20 sec", set()),
        ("20s Atemstopp", set()),
        ("20 sec breath hold", set()),
        ("Abd ven 70s Atemstopp 20s", {Phase.PORTAL}),
        ("apnea 20s venous", {Phase.PORTAL}),
        ("Atemstopp 70s", {Phase.PORTAL}),
        ("Abdomen 180s Atemstopp", {Phase.DELAYED}),
        ("Abdomen 35s Atemstopp", {Phase.ARTERIAL}),
        ("Aventurine protocol", set()),
        ("Spatial test", set()),
        ("", set()),
    ],
)
def test_descriptions_in_six_languages_name_their_phase(description: str, phases: set[Phase]) -> None:
    assert said([description]) == phases


def test_a_protocol_names_the_phase_only_where_the_description_does_not() -> None:
    """One makes several series: native, arterial, portal venous, late."""
    assert said(["Abd portal 3.0", "Leber_nat_art_port_spät"]) == {Phase.PORTAL}
    assert said(["Leber spaet 3.0", "Leber art ven"]) == {Phase.DELAYED}
    assert said(["Abdomen 3.0", "Abdomen portal venous"]) == {Phase.PORTAL}


@pytest.mark.parametrize(
    ("start", "scan", "phases"),
    [
        ("100000", "100035", {Phase.ARTERIAL}),
        ("100000.5", "100055", {Phase.ARTERIAL, Phase.PORTAL}),
        ("100000", "100110", {Phase.PORTAL}),
        ("10:00:00", "100110.25", {Phase.PORTAL}),
        ("235930", "000040", {Phase.PORTAL}),
        ("100000", "100210", {Phase.PORTAL, Phase.DELAYED}),
        ("100000", "100500", {Phase.DELAYED}),
        ("100000", "100004", {Phase.NATIVE}),
        ("100000", "120000", set()),
        ("100100", "100000", set()),
        ("", "100110", set()),
        ("100000", "", set()),
        ("soon", "100110", set()),
    ],
)
def test_the_time_since_injection_names_the_phase(start: str, scan: str, phases: set[Phase]) -> None:
    assert timed(start, [scan])[0] == phases


@pytest.mark.parametrize(
    ("made", "phases"),
    [
        ("100005", {Phase.NATIVE}),
        ("100040", {Phase.NATIVE, Phase.ARTERIAL}),
        ("100120", {Phase.NATIVE, Phase.ARTERIAL, Phase.PORTAL}),
        ("100300", set()),
        ("095900", set()),
        ("", set()),
    ],
)
def test_no_scan_is_later_than_its_images(made: str, phases: set[Phase]) -> None:
    assert made_by("100000", [made])[0] == phases


def test_when_images_were_made_excludes_a_phase_and_proves_none() -> None:
    """A pancreatic phase scanned at 45 s, whose images were made at 70 s, is enhanced like a portal venous one."""
    start = {"ContrastBolusStartTime": "100000", "AcquisitionTime": ""}
    late = chosen(made(1, "portal", "Pankreas 3.0", ContentTime="100110", **start))
    assert (late.volume, late.reason) == (None, Reason.PHASE_UNKNOWN)
    early = chosen(made(1, "portal", "Pankreas portal venous", ContentTime="100045", **start))
    assert (early.volume, early.reason) == (None, Reason.PHASE_CONFLICT)
    assert Evidence.TIMING in {point.evidence for point in early.considered[0].points}
    assert chosen(made(1, "portal", "Pankreas portal venous", ContentTime="100500", **start)).volume is not None


@pytest.mark.parametrize("noise", [8.0, 25.0])
@pytest.mark.parametrize(
    ("phase", "allowed"),
    [
        ("native", {Phase.NATIVE}),
        ("arterial", {Phase.ARTERIAL}),
        ("portal", {Phase.PORTAL, Phase.DELAYED}),
        ("delayed", {Phase.PORTAL, Phase.DELAYED}),
    ],
)
def test_enhancement_is_seen_in_the_image(phase: str, allowed: set[Phase], noise: float) -> None:
    volume = volume_of(slices_of(phantom(26, 80, phase, noise=noise), spacing=SPACING))
    assert seen(volume)[0] == allowed


def test_an_image_with_hardly_any_tissue_says_nothing() -> None:
    assert seen(volume_of(slices_of(np.full((6, 20, 20), -1000, np.int16))))[0] == frozenset()


# --- the choice


def test_the_portal_venous_series_is_chosen_among_the_phases_of_a_study() -> None:
    choice = chosen(
        made(1, "native", "Abdomen blanco"),
        made(2, "arterial", "Abdomen arterieel"),
        made(3, "portal", "Abdomen portoveneus"),
        made(4, "delayed", "Abdomen late fase"),
    )
    assert number_of(choice) == 3
    assert choice.volume is not None
    assert np.array_equal(choice.volume.hu, VOLUMES["portal"])
    reasons = {v.series_uid[-1]: v.refused for v in choice.considered}
    assert reasons == {"1": Reason.WRONG_PHASE, "2": Reason.WRONG_PHASE, "3": None, "4": Reason.PHASE_CONFLICT}


def test_timing_finds_the_phase_where_the_description_is_silent() -> None:
    choice = chosen(
        made(1, "arterial", "Abdomen", ContrastBolusStartTime="100035", AcquisitionTime="100110"),
        made(2, "portal", "Abdomen", ContrastBolusStartTime="100000", AcquisitionTime="100110"),
    )
    assert number_of(choice) == 2


def test_the_parts_of_one_series_are_judged_by_their_own_time() -> None:
    both = [
        *made(1, "arterial", "Abdomen 2 phases", ContrastBolusStartTime="100000", AcquisitionTime="100035"),
        *made(1, "portal", "Abdomen 2 phases", ContrastBolusStartTime="100000", AcquisitionTime="100112"),
    ]
    choice = chosen(both)
    assert choice.volume is not None
    assert np.array_equal(choice.volume.hu, VOLUMES["portal"])


ONE_SERIES = "Abdomen portal venous 3.0"
PORTAL = {"AcquisitionNumber": 2, "AcquisitionTime": "100110"}
DELAYED = {"AcquisitionNumber": 3, "AcquisitionTime": "100500"}


@pytest.mark.parametrize("lost", [[], [9]])
@pytest.mark.parametrize("other", ["portal", "delayed"])
def test_what_a_series_of_several_passes_is_called_does_not_say_which_of_them_is_meant(
    other: str, lost: list[int]
) -> None:
    """The other one lies like the portal venous one or (as a pancreatic phase does) is enhanced like it."""
    first = [ds for k, ds in enumerate(made(1, "portal", ONE_SERIES, **PORTAL)) if k not in lost]
    choice = chosen([*first, *made(1, other, ONE_SERIES, AcquisitionNumber=1, AcquisitionTime="100045", origin=HIGHER)])
    assert (choice.volume, choice.reason) == (None, Reason.PHASE_UNKNOWN)
    assert [verdict.refused for verdict in choice.considered] == [Reason.PHASE_UNKNOWN] * 2


HIGHER = (-160.0, -170.0, -96.0)


def test_a_pass_that_can_not_be_looked_at_may_be_the_one_that_is_meant() -> None:
    first = [ds for k, ds in enumerate(made(1, "portal", ONE_SERIES, **PORTAL)) if k not in (9, 10, 11)]
    choice = chosen([*first, *made(1, "delayed", ONE_SERIES, **DELAYED)])
    assert choice.volume is None
    assert [verdict.refused for verdict in choice.considered] == [Reason.PHASE_UNKNOWN, Reason.MISSING_SLICES]


def test_of_several_passes_timing_or_content_may_leave_one() -> None:
    timing = {"ContrastBolusStartTime": "100000"}
    told = chosen(
        [*made(1, "portal", ONE_SERIES, **PORTAL, **timing), *made(1, "delayed", ONE_SERIES, **DELAYED, **timing)]
    )
    seen_apart = chosen([*made(1, "arterial", ONE_SERIES, **DELAYED), *made(1, "portal", ONE_SERIES, **PORTAL)])
    for choice in (told, seen_apart):
        assert choice.volume is not None
        assert np.array_equal(choice.volume.hu, VOLUMES["portal"])


def test_two_passes_with_fields_of_view_of_their_own_are_two_passes_all_the_same() -> None:
    wide = made(1, "delayed", ONE_SERIES, spacing=(4.0, 5.5, 5.5), AcquisitionNumber=3, AcquisitionTime="100110")
    assert chosen([*made(1, "portal", ONE_SERIES, **PORTAL), *wide]).reason is Reason.PHASE_UNKNOWN
    later = made(1, "delayed", ONE_SERIES, spacing=(4.0, 5.5, 5.5), AcquisitionNumber=2, AcquisitionTime="100500")
    assert chosen([*made(1, "portal", ONE_SERIES, **PORTAL), *later]).reason is Reason.PHASE_UNKNOWN
    again = made(1, "portal", ONE_SERIES, spacing=(4.0, 5.5, 5.5), **PORTAL)
    assert chosen([*made(1, "portal", ONE_SERIES, **PORTAL), *again]).volume is not None


def timed_slices(datasets: list[Dataset], start_s: float, step_s: float) -> list[Dataset]:
    """Each with its own acquisition time, in seconds after ten."""
    for k, ds in enumerate(datasets):
        ds.AcquisitionTime = f"10{int(start_s // 60):02d}{start_s % 60 + step_s * k:06.3f}"
    return datasets


THIN, THICK = {"spacing": (2.0, 5.0, 5.0)}, {"spacing": (4.0, 5.0, 5.0)}


@pytest.mark.parametrize("shift_mm", [0.0, 1.0, 1.3])
@pytest.mark.parametrize("told_by", ["number", "time"])
def test_of_two_thicknesses_in_one_series_the_fitting_one_is_chosen(told_by: str, shift_mm: float) -> None:
    numbers: list[dict[str, Any]] = [{}, {}] if told_by == "number" else [{"AcquisitionNumber": 2}, {}]
    thin = made(1, "portal", ONE_SERIES, origin=(-160.0, -170.0, -100.0 + shift_mm), **THIN, **numbers[0])
    thick = made(1, "portal", ONE_SERIES, **THICK, **numbers[1])
    if told_by == "time":
        timed_slices(thin, 70.0, 0.1), timed_slices(thick, 70.05, 0.2)
    choice = chosen([*thin, *thick], wanted=Wanted(shortest_mm=40.0))
    assert choice.volume is not None
    assert np.array_equal(choice.volume.hu, VOLUMES["portal"])
    assert choice.volume.spacing == pytest.approx((2.0, 5.0, 5.0))
    assert Note.GROUPS in {remark.note for remark in choice.volume.remarks}
    longer = chosen([*thin, *thick], wanted=Wanted(shortest_mm=60.0))
    assert longer.volume is not None
    assert longer.volume.spacing == pytest.approx((4.0, 5.0, 5.0))
    assert [verdict.refused for verdict in longer.considered] == [None, Reason.TOO_SHORT]


@pytest.mark.parametrize("shift_mm", [0.0, 1.3])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}),
        ({"AcquisitionNumber": None}, {"AcquisitionNumber": None}),
        ({"AcquisitionNumber": None, "AcquisitionTime": ""}, {"AcquisitionNumber": None, "AcquisitionTime": ""}),
        ({"AcquisitionTime": ""}, {"AcquisitionTime": ""}),
        ({"AcquisitionTime": "100110"}, {"AcquisitionTime": "100500"}),
    ],
)
def test_two_thicknesses_may_be_two_phases(first: dict[str, Any], second: dict[str, Any], shift_mm: float) -> None:
    """A time that all have may be a copy of the series' own."""
    thin = made(1, "portal", ONE_SERIES, origin=(-160.0, -170.0, -100.0 + shift_mm), **THIN, **first)
    choice = chosen([*thin, *made(1, "delayed", ONE_SERIES, **THICK, **second)], wanted=Wanted(shortest_mm=40.0))
    assert (choice.volume, choice.reason) == (None, Reason.PHASE_UNKNOWN)
    assert all(verdict.refused is Reason.PHASE_UNKNOWN for verdict in choice.considered)


def test_two_phases_of_two_thicknesses_are_four_volumes() -> None:
    both = [
        ds
        for phase, number, start in (("arterial", 1, 35.0), ("portal", 2, 70.0))
        for spacing, step in ((THIN, 0.1), (THICK, 0.2))
        for ds in timed_slices(made(1, phase, "Abd art + ven", AcquisitionNumber=number, **spacing), start, step)
    ]
    for ds in both:
        ds.ContrastBolusStartTime = "100000"
    choice = chosen(both, wanted=Wanted(shortest_mm=60.0))
    assert len(choice.considered) == 4
    assert choice.volume is not None
    assert np.array_equal(choice.volume.hu, VOLUMES["portal"])
    assert choice.volume.spacing == pytest.approx((4.0, 5.0, 5.0))


def test_reconstructions_with_numbers_of_their_own_and_the_times_of_one_scan_are_one_scan() -> None:
    soft, sharp = made(1, "portal", ONE_SERIES), made(1, "portal", ONE_SERIES, ConvolutionKernel="B70f")
    for ds in sharp:
        ds.AcquisitionNumber = 2
    assert chosen([*soft, *sharp]).reason is Reason.PHASE_UNKNOWN
    timed_slices(soft, 70.0, 0.2), timed_slices(sharp, 70.0, 0.2)
    choice = chosen([*soft, *sharp])
    assert choice.volume is not None
    assert choice.volume.frames[0].kernel == "B30f"
    for later in (80.0, 300.0):
        timed_slices(sharp, later, 0.2)
        assert chosen([*soft, *sharp]).reason is Reason.PHASE_UNKNOWN


def test_what_the_thick_slices_show_of_a_later_phase_does_not_name_the_thin_ones_of_an_earlier_one() -> None:
    """Of the pancreatic phase the thick ones are but half there, and can't be told from the portal venous ones."""
    thin = timed_slices(made(1, "portal", ONE_SERIES, **THIN), 45.0, 0.2)
    early = timed_slices(made(1, "portal", ONE_SERIES, **THICK), 45.0, 0.2)[:9]
    late = timed_slices(made(1, "portal", ONE_SERIES, **THICK), 75.0, 0.2)[5:]
    for ds in late:
        ds.RescaleIntercept += 1  # no copies
    choice = chosen([*thin, *early, *late], wanted=Wanted(shortest_mm=40.0))
    assert (choice.volume, choice.reason) == (None, Reason.PHASE_UNKNOWN)
    assert [verdict.refused for verdict in choice.considered] == [Reason.PHASE_UNKNOWN, Reason.AMBIGUOUS]


def test_slices_of_one_scan_that_say_two_thicknesses_stay_together() -> None:
    """Thicker ones of the chest before, or said wrongly here and there."""
    blocks, some = made(1, "portal", ONE_SERIES), made(1, "portal", ONE_SERIES)
    for k, ds in enumerate(blocks):
        ds.SliceThickness = 4.0 if k < 20 else 5.0
    for k in (3, 9, 10, 21):
        some[k].SliceThickness = 3.0
    for datasets in (blocks, some):
        assert len(volume_of(datasets).hu) == 26
    heights = [*range(0, 40, 5), *np.arange(40, 60, 2.5), *range(60, 110, 5)]
    thinner_inside = made(1, "portal", ONE_SERIES, positions=[[-160.0, -170.0, float(z)] for z in heights])
    for ds, z in zip(thinner_inside, heights, strict=True):
        ds.SliceThickness = 2.5 if 40 <= z < 60 else 5.0
    assert notes(volume_of(thinner_inside)) == {Note.SPACING}


def test_enhancement_alone_does_not_prove_the_portal_venous_phase() -> None:
    choice = chosen(made(1, "portal", "Abdomen"))
    assert choice.volume is None
    assert choice.reason is Reason.PHASE_UNKNOWN


@pytest.mark.parametrize(
    ("phase", "elements"),
    [
        ("native", {}),
        ("arterial", {}),
        ("portal", {"ContrastBolusStartTime": "100040", "AcquisitionTime": "100110"}),
    ],
)
def test_a_description_that_timing_or_content_contradicts_is_not_believed(phase: str, elements: dict[str, str]) -> None:
    choice = chosen(made(1, phase, "Abdomen portal venous", **elements))
    assert choice.volume is None
    assert choice.reason is Reason.PHASE_CONFLICT


def test_pulmonary_veins_are_no_portal_venous_phase() -> None:
    assert chosen(made(1, "portal", "CT hart PV")).reason is Reason.PHASE_UNKNOWN
    assert chosen(made(1, "portal", "AbdPV")).volume is not None


@pytest.mark.parametrize("description", ["CT abdomen with intravenous contrast", "met intraveneus contrast"])
@pytest.mark.parametrize("phase", ["arterial", "portal", "delayed"])
def test_contrast_by_the_vein_is_no_venous_phase(phase: str, description: str) -> None:
    choice = chosen(made(1, phase, description))
    assert choice.volume is None
    assert choice.reason is (Reason.WRONG_PHASE if phase == "arterial" else Reason.PHASE_UNKNOWN)


@pytest.mark.parametrize(
    "elements",
    [
        {"SeriesDescription": "Abd ven spaet 3.0 B30f"},
        {"SeriesDescription": "Leber spaet 3.0", "ProtocolName": "Leber art ven"},
        {"SeriesDescription": "Abdomen venös 180s", "SpecificCharacterSet": "ISO_IR 192"},
        {"SeriesDescription": "Portal 120 sec"},
        {"SeriesDescription": "Venous 4 min"},
        {"SeriesDescription": "Abd Pel PV 2min"},
        {"SeriesDescription": "AX RENAL DELAYS", "ProtocolName": "ABD PELVIS PORTAL VENOUS"},
        {"SeriesDescription": "Buik nefrografisch", "ProtocolName": "Buik portoveneus"},
    ],
)
def test_a_late_phase_is_not_taken_for_the_portal_venous_one(elements: dict[str, str]) -> None:
    description = elements.pop("SeriesDescription")
    choice = chosen(made(1, "delayed", description, **elements))
    assert choice.volume is None
    assert choice.reason in (Reason.PHASE_UNKNOWN, Reason.PHASE_CONFLICT)


@pytest.mark.parametrize(
    ("description", "protocol"),
    [
        ("Leber portalvenoes 3.0", "Leber"),
        ("Abd portal 3.0", "Liver triphasic art portal delayed"),
        ("ABD/PEL 70 SEC DELAY", "CAP"),
    ],
)
def test_a_portal_venous_series_is_known_among_its_protocols_phases(description: str, protocol: str) -> None:
    assert chosen(made(1, "portal", description, ProtocolName=protocol)).volume is not None


def test_a_study_with_only_the_wrong_phase_is_indeterminate() -> None:
    choice = chosen(made(1, "native", "Abdomen blanco"))
    assert (choice.volume, choice.chosen, choice.reason) == (None, None, Reason.WRONG_PHASE)


def test_any_phase_will_do_for_an_analysis_that_asks_for_none() -> None:
    assert number_of(chosen(made(1, "native", "Abdomen"), wanted=Wanted(phase=None))) == 1


def test_among_equals_the_thin_soft_original_series_wins() -> None:
    good = "Abdomen portal venous"
    thin = {"spacing": (3.0, 5.0, 5.0)}
    choice = chosen(
        made(1, "portal", good, spacing=(5.0, 5.0, 5.0)),
        made(2, "portal", good, ConvolutionKernel="B70f", **thin),
        made(3, "portal", good, ImageType=["DERIVED", "PRIMARY", "AXIAL"], **thin),
        made(4, "portal", good, **thin),
        [ds for k, ds in enumerate(made(5, "portal", good, **thin)) if k != 9],
        wanted=Wanted(shortest_mm=50.0),
    )
    assert number_of(choice) == 4
    assert choice.considered[0] == choice.chosen
    repaired = next(v for v in choice.considered if v.series_uid.endswith(".5"))
    assert Note.INTERPOLATED in {remark.note for remark in repaired.remarks}
    assert Evidence.REPAIRED in {point.evidence for point in repaired.points}


def test_slabs_that_overlap_are_as_thick_as_they_are_not_as_close_as_they_lie() -> None:
    good = "Abdomen portal venous"
    slabs = made(1, "portal", good, spacing=(3.0, 5.0, 5.0), SliceThickness=15.0)
    choice = chosen(slabs, made(2, "portal", good, spacing=(5.0, 5.0, 5.0)), wanted=Wanted(shortest_mm=50.0))
    assert number_of(choice) == 2
    assert (choice.considered[1].refused, choice.considered[1].detail) == (Reason.TOO_THICK, "(15.0 mm)")
    thick_and_near = made(3, "portal", good, spacing=(3.0, 5.0, 5.0), SliceThickness=5.0)
    (judged,) = chosen(thick_and_near, wanted=Wanted(shortest_mm=50.0)).considered
    assert [point.measure for point in judged.points if point.evidence is Evidence.THIN] == ["5.00 mm"]


@pytest.mark.parametrize(
    ("kernel", "evidence"),
    [
        ("B30f", Evidence.SOFT_KERNEL),
        ("I31f", Evidence.SOFT_KERNEL),
        ("Br40", Evidence.SOFT_KERNEL),
        ("STANDARD", Evidence.SOFT_KERNEL),
        ("FC08", Evidence.SOFT_KERNEL),
        ("B", Evidence.SOFT_KERNEL),
        ("B50f", None),
        ("Br54", Evidence.SHARP_KERNEL),
        ("Br59", Evidence.SHARP_KERNEL),
        ("Bl49", Evidence.SHARP_KERNEL),
        ("B70f", Evidence.SHARP_KERNEL),
        ("Bl64", Evidence.SHARP_KERNEL),
        ("LUNG", Evidence.SHARP_KERNEL),
        ("FC51", Evidence.SHARP_KERNEL),
        ("", None),
        ("UNHEARD", None),
    ],
)
def test_kernels_of_several_makers_are_known(kernel: str, evidence: Evidence | None) -> None:
    choice = chosen(made(1, "portal", "portal venous", ConvolutionKernel=kernel))
    assert choice.chosen is not None
    kernels = {Evidence.SOFT_KERNEL, Evidence.SHARP_KERNEL}
    assert {p.evidence for p in choice.chosen.points} & kernels == ({evidence} if evidence else set())


@pytest.mark.parametrize("kernel", ["Br59", "Bl57d", "UNHEARD"])
def test_the_kernel_weighs_more_than_thin_slices(kernel: str) -> None:
    thin = made(1, "portal", "Abd Ven 1.0", spacing=(1.5, 5.0, 5.0), ConvolutionKernel=kernel)
    thick = made(2, "portal", "Abd Ven 5.0", spacing=(5.0, 5.0, 5.0), ConvolutionKernel="Br40")
    assert number_of(chosen(thin, thick, wanted=Wanted(shortest_mm=30.0))) == 2


@pytest.mark.parametrize(
    ("description", "body_part", "abdomen"),
    [
        ("Thorax Ven 1.0 Br40", "CHEST", False),
        ("Abdomen Ven 3.0", "CHEST", True),
        ("Thorax-Abdomen PV", "CHEST", True),
        ("TAP veineux", "", True),
        ("CAP PV", "", True),
        ("Oberbauch portalvenös", "", True),
        ("Pankreas venoes", "", True),
        ("Schädel nativ", "", False),
        ("PV craniocaudal", "", None),
        ("Portal venous 3.0", "CHEST", False),
        ("Portal venous 3.0", "CHESTABDPELVIS", True),
        ("Chest to pelvis PV", "", True),
        ("PV coronal", "", None),
        ("CT hart PV", "", False),
        ("TC addome", "CHEST", True),
        ("TAC torácica", "", False),
        ("Hartmann", "", None),
        ("Ven 3.0", "", None),
    ],
)
def test_the_region_is_heard(description: str, body_part: str, abdomen: bool | None) -> None:
    assert shows_abdomen(description, body_part) is abdomen


def test_a_scan_of_the_abdomen_goes_before_one_of_the_chest() -> None:
    chest = made(1, "portal", "Thorax Ven 1.0 Br40", spacing=(1.5, 5.0, 5.0), BodyPartExamined="CHEST")
    abdomen = made(2, "portal", "Abdomen Ven 3.0 Br40", spacing=(3.0, 5.0, 5.0))
    choice = chosen(chest, abdomen, wanted=Wanted(shortest_mm=30.0))
    assert number_of(choice) == 2
    assert choice.chosen is not None
    told = choice.chosen.explained("en")
    assert "+1 description or body part names the abdomen" in told
    assert "-1 beschrijving of lichaamsdeel noemt een andere regio dan de buik" in choice.considered[1].explained("nl")
    # what a header says is kept nowhere and shown to nobody
    assert all(one.measure == "" for one in choice.chosen.points if one.evidence is Evidence.ABDOMEN)


@pytest.mark.parametrize(
    ("elements", "wanted", "reason"),
    [
        ({"spacing": (6.0, 5.0, 5.0)}, Wanted(), Reason.TOO_THICK),
        ({}, Wanted(shortest_mm=150.0), Reason.TOO_SHORT),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, Wanted(), Reason.PROJECTION),
    ],
)
def test_what_does_not_fit_is_indeterminate_with_its_reason(
    elements: dict[str, Any], wanted: Wanted, reason: Reason
) -> None:
    datasets = made(1, "portal", "portal venous", **elements)
    if reason is Reason.PROJECTION:
        with pytest.raises(Unusable) as raised:
            series_of(datasets)
        assert raised.value.reason is reason
    else:
        assert chosen(datasets, wanted=wanted).reason is reason


@pytest.mark.parametrize(
    "word",
    [
        *("MIP10", "MIP5", "MIPTHIN", "SlabMIP", "5MIP", "MIP3mm", "AXMIP", "SSMIP", "STSMIP", "LUNGMIP", "MIPPV"),
        *("8x3MIP", "10mmMIP", "MIPs", "MNIP", "MinIP", "MAXIMUM_IP", "MAX INTENSITY", "VR", "VRT", "SSD", "RAYSUM"),
    ],
)
def test_a_projection_is_known_by_its_name_however_glued(word: str) -> None:
    with pytest.raises(Unusable) as raised:
        series_of(made(1, "portal", f"Abd ven {word} ax", ImageType=COMPUTED))
    assert raised.value.reason is Reason.PROJECTION


COMPUTED = ["DERIVED", "SECONDARY", "AXIAL"]


@pytest.mark.parametrize(
    "description",
    [
        "Abd Ven no MIP",
        "Ven ohne MIPs",
        "PV without MIP",
        "Minimum dose venous",
        "Ven hemiparesis",
        "PV SSDE",
        "PV Omnipaque",
    ],
)
def test_what_only_sounds_like_a_projection_is_none(description: str) -> None:
    assert len(series_of(made(1, "portal", description, ImageType=COMPUTED)).slices) == 26


def test_original_images_that_are_called_a_projection_are_one_where_they_are_slabs() -> None:
    slabs = made(1, "portal", "PV MIP 5mm", spacing=(3.0, 5.0, 5.0), SliceThickness=5.0)
    refused = chosen(slabs, wanted=Wanted(shortest_mm=50.0))
    assert refused.reason is Reason.PROJECTION
    assert refused.considered[0].detail == "(5.0 mm, 3.0 mm apart)"
    source = made(1, "portal", "PV 4.0 for MIP", SliceThickness=4.0)
    overlapping = made(1, "portal", "PV 5mm", spacing=(3.0, 5.0, 5.0), SliceThickness=5.0)
    for one in (source, overlapping):
        assert chosen(one, wanted=Wanted(shortest_mm=50.0)).volume is not None


@pytest.mark.parametrize(
    ("description", "thick_mm", "step_mm"),
    [
        ("Abdomen portal venous 1.5 for MIP", 1.5, 1.0),
        ("PV 1.5 MIP/MPR source", 1.5, 1.0),
        ("Abd PV thin VRT", 3.0, 2.0),
    ],
)
def test_thin_slices_that_overlap_are_what_a_projection_is_made_from(
    description: str, thick_mm: float, step_mm: float
) -> None:
    source = made(1, "portal", description, spacing=(step_mm, 5.0, 5.0), SliceThickness=thick_mm)
    assert chosen(source, wanted=Wanted(shortest_mm=20.0)).volume is not None


def test_one_slice_that_says_another_thickness_does_not_make_a_series_thick() -> None:
    one_odd = made(1, "portal", "portal venous")
    one_odd[7].SliceThickness = 10.0
    one_odd[8].SliceThickness = None
    assert chosen(one_odd).volume is not None


@pytest.mark.parametrize("shift", [1500, -1000])
def test_values_that_are_not_hounsfield_units_are_refused(shift: int) -> None:
    """Such as an image whose intercept was lost: no air where air must be, or no tissue."""
    odd = slices_of(
        np.clip(VOLUMES["portal"].astype(int) + shift, -1024, 3071).astype(np.int16),
        spacing=SPACING,
        SeriesDescription="portal venous",
    )
    assert chosen(odd).reason is Reason.HOUNSFIELD


def test_no_series_at_all_is_indeterminate() -> None:
    assert choose([], Wanted()).reason is Reason.NO_CT


def test_what_was_refused_unread_stands_among_the_considered() -> None:
    refused = Verdict("1.2.9", "Dose Report", refused=Reason.SOP_CLASS)
    choice = choose([refused, series_of(made(3, "portal", "portal venous"))], Wanted())
    assert number_of(choice) == 3
    assert refused in choice.considered


@pytest.mark.parametrize(
    ("language", "says"),
    [
        ("en", "+3 what the series description says of the contrast phase (portal-venous)"),
        ("nl", "+3 wat de seriebeschrijving over de contrastfase zegt (portal-venous)"),
    ],
)
def test_the_choice_is_explained_in_the_readers_language(language: str, says: str) -> None:
    choice = chosen(made(3, "portal", "Abdomen portal venous"), made(1, "native", "blanco"))
    assert choice.chosen is not None
    assert says in choice.chosen.explained(language)
    assert choice.considered[1].explained("nl") == "De contrastfase is niet die welke deze analyse nodig heeft."


# --- what need not be fetched


def rows(*described: tuple[str, str], instances: int | None = 100) -> Sequence[SeriesRow]:
    return [SeriesRow(f"1.2.{k}", modality, k, text, "", instances) for k, (modality, text) in enumerate(described)]


def test_scouts_reports_and_other_modalities_are_not_fetched() -> None:
    fetch, refused = worth_fetching(
        rows(("CT", "Topogram"), ("SR", "Findings"), ("CT", "Dose report"), ("CT", "Low dose abdomen")), Wanted()
    )
    assert [row.description for row in fetch] == ["Low dose abdomen"]
    assert {v.refused for v in refused} == {Reason.LOCALIZER, Reason.SOP_CLASS}


@pytest.mark.parametrize(
    "name", ["Abd Portal SmartPrep", "Bolus tracking portal venous", "Abdomen Portal post monitoring", "TestBolus"]
)
def test_a_scan_named_after_what_timed_its_contrast_is_fetched_when_it_is_long_enough(name: str) -> None:
    for instances in (100, 16, 1, None):
        assert worth_fetching(rows(("CT", name), instances=instances), Wanted())[1] == []
    for few in (2, 15):
        assert worth_fetching(rows(("CT", name), instances=few), Wanted())[1][0].refused is Reason.LOCALIZER


def test_series_of_other_regions_are_fetched_later() -> None:
    fetch, _ = worth_fetching(rows(("CT", "Thorax ven"), ("CT", "Abd ven"), ("CT", "Ven 3.0")), Wanted())
    assert [row.description for row in fetch] == ["Abd ven", "Ven 3.0", "Thorax ven"]


def test_the_likeliest_series_is_fetched_first() -> None:
    fetch, _ = worth_fetching(
        rows(("CT", "Abd arterial"), ("CT", "Abdomen"), ("CT", "Abd portal COR"), ("CT", "Abd portal 1.5")), Wanted()
    )
    assert [row.description for row in fetch] == ["Abd portal 1.5", "Abdomen", "Abd portal COR", "Abd arterial"]


@pytest.mark.system
def test_a_study_in_a_real_pacs_comes_down_to_its_portal_venous_volume(orthanc: Orthanc) -> None:
    scout = made(9, "portal", "Topogram", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])[:1]
    for datasets in (
        scout,
        made(2, "arterial", "Abdomen arterieel"),
        made(3, "portal", "Abdomen portoveneus"),
        made(4, "portal", "Abdomen portoveneus MIP", ImageType=["DERIVED", "SECONDARY", "MIP"]),
    ):
        orthanc.store(map(stored, datasets))
    web = DicomWeb(Pacs(orthanc.base, (orthanc.base,), user=orthanc.user, password=orthanc.password))
    seen_progress: list[tuple[int, int]] = []
    choice = choose_volume(web, STUDY, Wanted(), progress=lambda done, of: seen_progress.append((done, of)))
    web.close()
    assert number_of(choice) == 3
    assert choice.volume is not None
    assert np.array_equal(choice.volume.hu, VOLUMES["portal"])
    assert {v.series_uid[-1]: v.refused for v in choice.considered} == {
        "2": Reason.WRONG_PHASE,
        "3": None,
        "4": Reason.PROJECTION,
        "9": Reason.LOCALIZER,
    }
    assert seen_progress == [(0, 3), (1, 3), (2, 3)]


@pytest.mark.system
def test_a_pacs_that_dies_between_two_series_gives_no_choice(orthanc: Orthanc) -> None:
    """The second series might have been the better one: an error to try again, not an answer."""
    orthanc.store(map(stored, made(3, "portal", "Abdomen portoveneus")))
    orthanc.store(map(stored, made(2, "arterial", "Abdomen arterieel")))
    web = DicomWeb(Pacs(orthanc.base, (orthanc.base,), user=orthanc.user, password=orthanc.password))

    def kill_before_the_second(done: int, of: int) -> None:
        if done == 1:
            orthanc.kill()

    with pytest.raises(Unusable) as raised:
        choose_volume(web, STUDY, Wanted(), progress=kill_before_the_second)
    assert raised.value.reason is Reason.PACS_UNREACHABLE
    web.close()
