"""Pages in Airflow's UI: a FastAPI application that its API server mounts."""
