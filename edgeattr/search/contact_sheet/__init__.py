"""A page that shows the people who were found, with the pictures that were kept of them."""

from edgeattr.search.contact_sheet.page import LIMIT_MIB, Written, write_contact_sheet

__all__ = ["LIMIT_MIB", "Written", "write_contact_sheet"]
