"""The other form of a home's Airflow: Celery workers by role, PostgreSQL, Redis, a supervisor."""
