"""Finished runs beside the papers' numbers: read workdirs, fill tables, write them down."""
