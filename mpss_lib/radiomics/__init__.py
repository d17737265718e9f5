"""Radiomics: the 487 IBSI features."""
