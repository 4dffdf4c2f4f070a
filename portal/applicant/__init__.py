"""The applicant's pages: my licenses, showing them, who looked, and what is wrong."""
