"""Headwater: questions answered from documents, sources first."""

__version__ = "0.1.0"
