"""MPSS platform: radiomics of myocardial perfusion stress SPECT."""
