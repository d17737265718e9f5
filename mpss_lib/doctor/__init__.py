"""What a support engineer would ask of a home: facts, and findings with the command that mends."""

from mpss_lib.doctor.examination import Report, examine
from mpss_lib.doctor.finding import Finding
from mpss_lib.doctor.mending import mend

__all__ = ["Finding", "Report", "examine", "mend"]
