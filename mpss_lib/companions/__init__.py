"""What lies beside a study and shows calcium: reports and CTs of its patient, de-identified."""
