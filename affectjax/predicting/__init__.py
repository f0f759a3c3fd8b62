"""Whole videos through an exported model: windows in, a timeline out, and pages to look at."""
