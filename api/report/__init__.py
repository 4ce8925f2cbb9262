"""The one-page report of an incident or a drill, as a PDF: what it says, and how it is set."""
