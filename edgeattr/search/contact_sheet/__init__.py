"""A page that shows the people who were found, with the pictures that were kept of them."""

from edgeattr.search.contact_sheet.page import Written, write_contact_sheet

__all__ = ["Written", "write_contact_sheet"]
