"""Pictures and pages of DICOM objects for those who read no DICOM (PS3.18 Section 8.7.4; pipeline: PS3.4 Annex N.2).

`pages` is plain Python over the DICOM JSON Model; everything else works on pixels and runs in the sandbox.
"""
