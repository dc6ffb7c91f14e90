"""What a network found, back to where people look: SEG and SR in the PACS, resources in the EHR.

    Assessed (cds.inference.volumes) -> geometry (labels on the source's slices) -> measure (findings, in units)
    -> comparison (with the patient's earlier findings) -> seg, sr (DICOM) and fhir (R4B) -> store, deliver

``guard.Permit`` stands before every way out: without one nothing is built, and there is none for a model that is not
for clinical use outside a demonstration. All identifiers follow from what was read and what read it (``uids``), so a
retry gives the same objects.
"""
