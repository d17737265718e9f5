"""A home and what runs it: its services, its Airflow, their start and their end."""
