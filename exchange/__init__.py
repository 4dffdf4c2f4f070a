"""The data-sharing exchange: catalog, grants, query, delivery and audit."""
