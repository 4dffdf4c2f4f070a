"""The forms in which a catalog leaves a node and comes back: workbook, DCAT-AP and JSON."""
