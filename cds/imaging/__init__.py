"""From a PACS to a volume: fetch one series, decode it, lay its slices in space, choose the series that fits.

Pure library code: no job, no database, no model, no disease. What can't be assessed carries a reason code
(``cds.imaging.reasons``) with words for a reader, never an empty or a partial volume.

    dicomweb (QIDO, WADO-RS) -> multipart (parts of the stream) -> instance (header) -> pixels (HU slices)
    -> fetch (the above, in threads) -> stacks (which slices belong together) -> volume (HU, affine)
    -> phase and series (which volume to use, and why)

Sizes: a volume is [slices, rows, columns] int16 in Hounsfield units; its affine is 4x4 float64 and takes
(slice, row, column, 1) to millimetres in the patient's LPS system (x to the left, y to the back, z to the head;
DICOM PS3.3 C.7.6.2.1.1).
"""
